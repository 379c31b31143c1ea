package dev.theriac.tensor;

import java.lang.foreign.MemorySegment;

/** Host memory: a pooled block, or a mapped file that is read-only until copied. */
public final class CpuStorage extends Storage {
  private final HostBody body;
  private final long byteSize;

  private static final class HostBody extends Body {
    final Memory.Block block;
    final MemorySegment mapped;

    HostBody(Memory.Block block, MemorySegment mapped, String holder) {
      // Mapped memory is never freed here, so it cannot leak.
      super(holder, block != null);
      this.block = block;
      this.mapped = mapped;
    }

    @Override
    void release(String holder) {
      if (block != null) Memory.release(block, holder);
    }
  }

  private CpuStorage(HostBody body, long byteSize) {
    super(body);
    this.body = body;
    this.byteSize = byteSize;
  }

  /** {@code bytes} of uninitialised memory; {@code holder} is the operation named in reports. */
  public static CpuStorage allocate(long bytes, String holder) {
    Memory.Block block = Memory.allocate(bytes, holder);
    return new CpuStorage(new HostBody(block, null, holder), block.bytes());
  }

  /** Wraps memory owned by someone else, such as a mapped file; kept reachable, never freed. */
  public static CpuStorage wrap(MemorySegment memory, String holder) {
    return new CpuStorage(new HostBody(null, memory, holder), memory.byteSize());
  }

  /** True for memory that Theriac does not own and must not write to, such as a mapped file. */
  public boolean isReadOnly() {
    return body.mapped != null;
  }

  /** Start address; an error when the storage was freed. */
  public long address() {
    checkAlive();
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
}
