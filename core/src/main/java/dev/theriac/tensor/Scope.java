package dev.theriac.tensor;

import java.util.ArrayList;
import java.util.function.Predicate;
import java.util.function.Supplier;

/**
 * Frees, when closed, every tensor that its thread made while it was the innermost open scope, but
 * for those handed out by {@link #keep}. Scopes nest; each belongs to the thread that opened it.
 *
 * <pre>{@code
 * try (Scope scope = Scope.open()) {
 *   Tensor h = x.matmul(w).gelu();
 *   return scope.keep(h.softmax());
 * }
 * }</pre>
 *
 * Outside any scope a tensor is freed by {@link Tensor#close()} or by the garbage collector.
 */
public final class Scope implements AutoCloseable {
  private static final ThreadLocal<Scope> CURRENT = new ThreadLocal<>();

  private final Scope parent;
  private final Thread owner = Thread.currentThread();
  private final ArrayList<Storage> storages = new ArrayList<>();
  private boolean closed;

  private Scope(Scope parent) {
    this.parent = parent;
  }

  /** Opens a scope nested in the thread's innermost one. */
  public static Scope open() {
    Scope scope = new Scope(CURRENT.get());
    CURRENT.set(scope);
    return scope;
  }

  /** Runs {@code body} in a scope of its own; the tensor that it returns survives. */
  public static Tensor call(Supplier<Tensor> body) {
    try (Scope scope = open()) {
      return scope.keep(body.get());
    }
  }

  /** The thread's innermost open scope, or null. */
  public static Scope current() {
    return CURRENT.get();
  }

  static void register(Storage storage) {
    Scope scope = CURRENT.get();
    if (scope == null) storage.collectable();
    else scope.add(storage);
  }

  private void add(Storage storage) {
    storage.scope = this;
    storage.scopeIndex = storages.size();
    storages.add(storage);
  }

  /** Number of storages that closing this scope would free. */
  public int size() {
    return storages.size();
  }

  /**
   * Moves a tensor to the enclosing scope (or, in the outermost scope, to its holder and the
   * garbage collector) and returns it. A tensor that this scope does not own is returned as it is.
   */
  public Tensor keep(Tensor tensor) {
    keep(tensor.storage());
    return tensor;
  }

  /** {@link #keep(Tensor)} for a bare storage. */
  public void keep(Storage storage) {
    checkThread();
    if (storage.scope != this) return;
    forget(storage);
    if (parent == null) storage.collectable();
    else parent.add(storage);
  }

  /**
   * Takes a tensor out of every scope: it lives until it is closed or unreachable, which is no
   * leak. For parameters, optimiser state and other tensors that outlive the code that makes them.
   */
  public static Tensor persist(Tensor tensor) {
    Storage storage = tensor.storage();
    if (storage.scope != null) {
      storage.scope.checkThread();
      forget(storage);
      storage.collectable();
    }
    storage.expectCollection();
    return tensor;
  }

  /** Moves every storage for which {@code wanted} holds to the enclosing scope. */
  public void keepIf(Predicate<Storage> wanted) {
    checkThread();
    for (int i = storages.size() - 1; i >= 0; i--) {
      Storage storage = storages.get(i);
      if (wanted.test(storage)) keep(storage);
    }
  }

  /** Drops a storage that was freed, so that long scopes do not hold what is gone. */
  static void forget(Storage storage) {
    Scope scope = storage.scope;
    if (scope == null || scope.owner != Thread.currentThread()) return;
    ArrayList<Storage> list = scope.storages;
    Storage last = list.removeLast();
    if (last != storage) {
      list.set(storage.scopeIndex, last);
      last.scopeIndex = storage.scopeIndex;
    }
    storage.scope = null;
    storage.scopeIndex = -1;
  }

  private void checkThread() {
    if (owner != Thread.currentThread()) {
      throw new IllegalStateException(
          "scope of thread %s used by thread %s; each thread opens its own"
              .formatted(owner.getName(), Thread.currentThread().getName()));
    }
  }

  @Override
  public void close() {
    checkThread();
    if (closed) return;
    if (CURRENT.get() != this) {
      throw new IllegalStateException("scopes must be closed in the reverse order of opening");
    }
    closed = true;
    if (parent == null) CURRENT.remove();
    else CURRENT.set(parent);
    for (Storage s : storages) {
      s.scope = null;
      s.free("the end of its scope (hand it out with scope.keep)");
    }
    storages.clear();
  }
}
