package dev.theriac.tensor;

/**
 * Bytes on a device, shared by every view of a tensor. A storage is freed once, by its scope, by
 * {@link Tensor#close()}, by the backward pass or by the garbage collector; any later use is an
 * error that says who freed it.
 */
public abstract class Storage {
  /** Position in the owning scope's list; kept here so that leaving a scope costs O(1). */
  int scopeIndex = -1;

  Scope scope;

  private volatile boolean shared;

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

  /** True until freed. */
  public abstract boolean isAlive();

  /** Frees the bytes; a second call does nothing. {@code why} is shown by errors of later uses. */
  public abstract void free(String why);

  /** Hands the storage to the garbage collector: called when it leaves its outermost scope. */
  abstract void collectable();

  /** Being freed by the garbage collector is what this storage is meant for, not a leak. */
  abstract void expectCollection();
}
