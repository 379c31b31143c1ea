package dev.theriac.tensor;

import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Bytes on a device, shared by every view of a tensor. A storage is freed once, by its scope, by
 * {@link Tensor#close()}, by the backward pass or by the garbage collector; any later use is an
 * error that says who freed it.
 */
public abstract sealed class Storage permits CpuStorage, DeviceStorage {
  private static final Cleaner CLEANER = Cleaner.create();

  /** Position in the owning scope's list; kept here so that leaving a scope costs O(1). */
  int scopeIndex = -1;

  Scope scope;

  private final Body body;
  private volatile boolean shared;

  /** The memory itself: what the cleaner may touch, never the storage. */
  abstract static class Body implements Runnable {
    private final String holder;
    private final LeakDetector.Site site;
    private final AtomicReference<String> freed = new AtomicReference<>();

    /**
     * @param owned whether freeing gives memory back, so that it can leak
     */
    Body(String holder, boolean owned) {
      this.holder = holder;
      this.site = owned ? LeakDetector.track(holder) : null;
    }

    /** Gives the memory back; called once. */
    abstract void release(String holder);

    private boolean free(String why) {
      if (!freed.compareAndSet(null, why)) return false;
      LeakDetector.untrack(site);
      release(holder);
      return true;
    }

    @Override
    public final void run() {
      if (free("the garbage collector")) LeakDetector.collected(site, holder);
    }
  }

  Storage(Body body) {
    this.body = body;
  }

  /**
   * Tells the engine that values may be read in ways it does not record, through a tensor outside
   * the graph or by a user's operation, so that they are never written over.
   */
  public final void share() {
    shared = true;
  }

  /** Whether {@link #share} was called. */
  public final boolean isShared() {
    return shared;
  }

  public abstract Device device();

  /** Capacity in bytes; may exceed what the tensor needs. */
  public abstract long byteSize();

  /** The operation that made it, as named in reports. */
  public final String holder() {
    return body.holder;
  }

  /** True until freed. */
  public final boolean isAlive() {
    return body.freed.get() == null;
  }

  /** Frees the bytes; a second call does nothing. {@code why} is shown by errors of later uses. */
  public final void free(String why) {
    body.free(why);
  }

  /** An error when the storage was freed. */
  final void checkAlive() {
    String why = body.freed.get();
    if (why != null) {
      throw new IllegalStateException(
          "tensor made by %s was used after it was freed by %s".formatted(body.holder, why));
    }
  }

  /** Hands the storage to the garbage collector: called when it leaves its outermost scope. */
  final void collectable() {
    CLEANER.register(this, body);
  }

  /** Being freed by the garbage collector is what this storage is meant for, not a leak. */
  final void expectCollection() {
    if (body.site != null) body.site.expected = true;
  }
}
