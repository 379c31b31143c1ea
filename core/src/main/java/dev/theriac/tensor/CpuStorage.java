package dev.theriac.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicReference;

/** Host memory: a pooled block, or a mapped file that is read-only until copied. */
public final class CpuStorage extends Storage {
  private static final Cleaner CLEANER = Cleaner.create();

  private final Body body;
  private final long byteSize;

  /** What the cleaner may touch; never the storage itself. */
  private static final class Body implements Runnable {
    final Memory.Block block;
    final MemorySegment mapped;
    final String holder;
    final LeakDetector.Site site;
    final AtomicReference<String> freed = new AtomicReference<>();

    Body(Memory.Block block, MemorySegment mapped, String holder) {
      this.block = block;
      this.mapped = mapped;
      this.holder = holder;
      // Mapped memory is never freed here, so it cannot leak.
      this.site = block == null ? null : LeakDetector.track(holder);
    }

    boolean free(String why) {
      if (!freed.compareAndSet(null, why)) return false;
      LeakDetector.untrack(site);
      if (block != null) Memory.release(block, holder);
      return true;
    }

    @Override
    public void run() {
      if (free("the garbage collector")) LeakDetector.collected(site, holder);
    }
  }

  private CpuStorage(Body body, long byteSize) {
    this.body = body;
    this.byteSize = byteSize;
  }

  /** {@code bytes} of uninitialised memory; {@code holder} is the operation named in reports. */
  public static CpuStorage allocate(long bytes, String holder) {
    Memory.Block block = Memory.allocate(bytes, holder);
    return new CpuStorage(new Body(block, null, holder), block.bytes());
  }

  /** Wraps memory owned by someone else, such as a mapped file; kept reachable, never freed. */
  public static CpuStorage wrap(MemorySegment memory, String holder) {
    return new CpuStorage(new Body(null, memory, holder), memory.byteSize());
  }

  /** True for memory that Theriac does not own and must not write to, such as a mapped file. */
  public boolean isReadOnly() {
    return body.mapped != null;
  }

  /** Start address; an error when the storage was freed. */
  public long address() {
    String why = body.freed.get();
    if (why != null) {
      throw new IllegalStateException(
          "tensor made by %s was used after it was freed by %s".formatted(body.holder, why));
    }
    return body.block != null ? body.block.address() : body.mapped.address();
  }

  @Override
  public Device device() {
    return Device.CPU;
  }

  @Override
  public long byteSize() {
    return byteSize;
  }

  @Override
  public boolean isAlive() {
    return body.freed.get() == null;
  }

  @Override
  public void free(String why) {
    body.free(why);
  }

  @Override
  void collectable() {
    CLEANER.register(this, body);
  }

  @Override
  void expectCollection() {
    if (body.site != null) body.site.expected = true;
  }
}
