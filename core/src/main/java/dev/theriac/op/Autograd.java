package dev.theriac.op;

import dev.theriac.backend.Backends;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Storage;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.lang.ref.Reference;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Reverse-mode differentiation. Operations record themselves while gradients are on and an input
 * asks for one; {@link #backward} walks the record from the youngest tensor to the oldest, so that
 * every sum of gradients has one fixed order, and frees each activation as soon as it has been
 * used.
 */
public final class Autograd {
  private static final String FREED = "the backward pass (retain() keeps a tensor through it)";
  private static final ScopedValue<Boolean> ENABLED = ScopedValue.newInstance();

  private Autograd() {}

  /** Whether operations of this thread are being recorded. */
  public static boolean enabled() {
    return ENABLED.orElse(true);
  }

  /** Runs {@code body} without recording. */
  public static <T> T noGrad(Supplier<T> body) {
    return ScopedValue.where(ENABLED, false).call(body::get);
  }

  /** Runs {@code body} with recording on, as recomputation needs inside a no-grad region. */
  static <T> T withGrad(Supplier<T> body) {
    return ScopedValue.where(ENABLED, true).call(body::get);
  }

  /** Wraps an operation's output, recording the operation if a gradient will have to pass. */
  public static Tensor result(Strided output, Op op) {
    boolean needed = enabled() && op.inputs().stream().anyMatch(Tensor::requiresGrad);
    Tensor t = Tensor.result(output, needed ? op : null);
    if (!needed) op.saved().forEach(Tensor::close);
    // A view that is not recorded is a reader that a backward pass does not see.
    if (!needed && op instanceof ShapeOp && isView(output.storage(), op)) {
      if (op.inputs().stream().anyMatch(Tensor::requiresGrad)) output.storage().share();
    }
    // The kernel saw addresses only: until here its inputs must not look unused to the collector.
    Reference.reachabilityFence(op);
    return t;
  }

  private static boolean isView(Storage output, Op op) {
    return op.inputs().stream().anyMatch(input -> input.storage() == output);
  }

  /**
   * Gradients of {@code root} with respect to all leaves that require one.
   *
   * @param grad gradient arriving at root, of its shape; null means 1, for a root of one element
   * @throws IllegalStateException when part of the graph was used by an earlier backward pass
   */
  public static Gradients backward(Tensor root, Tensor grad) {
    if (!root.requiresGrad()) {
      throw new IllegalStateException(
          "backward: no input of this tensor requires a gradient, or it was made without"
              + " recording");
    }
    if (grad == null && root.size() != 1) {
      throw new IllegalArgumentException(
          "backward: shape %s is not a scalar; pass the gradient that arrives at it"
              .formatted(root.layout()));
    }
    if (grad != null && !grad.layout().sameShape(root.layout())) {
      throw new IllegalArgumentException(
          "backward: gradient of shape %s for an output of shape %s"
              .formatted(grad.layout(), root.layout()));
    }
    if (grad != null && !grad.device().equals(root.device())) {
      throw new IllegalArgumentException(
          "backward: gradient on %s for an output on %s; move it with to(Device)"
              .formatted(grad.device(), root.device()));
    }
    return noGrad(() -> {
      try (Scope scope = Scope.open()) {
        Pass pass = new Pass();
        Tensor start =
            grad == null
                ? Tensor.full(root.device(), 1, DType.F32, root.shape())
                : grad.to(DType.F32);
        Gradients found = pass.run(root, start);
        found.leaves().forEach(leaf -> scope.keep(found.get(leaf)));
        return found;
      }
    });
  }

  private static List<Tensor> recorded(Tensor root) {
    Set<Tensor> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    List<Tensor> nodes = new ArrayList<>();
    ArrayDeque<Tensor> open = new ArrayDeque<>();
    open.push(root);
    seen.add(root);
    while (!open.isEmpty()) {
      Tensor t = open.pop();
      if (t.op() == null) continue;
      if (t.op() instanceof FreedOp freed) {
        throw new IllegalStateException(
            "backward: the graph of %s was already used and freed; run the forward pass again"
                .formatted(freed.name()));
      }
      nodes.add(t);
      for (Tensor input : t.op().inputs()) {
        if (input.requiresGrad() && seen.add(input)) open.push(input);
      }
    }
    nodes.sort(Comparator.comparingLong(Tensor::id).reversed());
    return nodes;
  }

  /**
   * One backward pass: pending gradients, how many of them use each storage, which storages the
   * pass made (and so may free, or add to in place), which are to outlive the pass, how many
   * operations read each, results that hold gradients by now, the youngest result of a recomputed
   * block, and whether there are operations of the user's.
   */
  private static final class Pass implements GradientSink {
    private final Map<Tensor, Tensor> grads = new IdentityHashMap<>();
    private final Map<Storage, Integer> users = new IdentityHashMap<>();
    private final Set<Storage> made = Collections.newSetFromMap(new IdentityHashMap<>());
    private final Set<Storage> kept = Collections.newSetFromMap(new IdentityHashMap<>());
    private final Map<Storage, Integer> readers = new IdentityHashMap<>();
    private final Map<Storage, Tensor> adopted = new IdentityHashMap<>();
    private final Map<Storage, Tensor> overwritten = new IdentityHashMap<>();
    private long recomputed = -1;
    private boolean custom;

    Gradients run(Tensor root, Tensor start) {
      boolean done = false;
      try {
        Gradients found = pass(root, start);
        done = true;
        return found;
      } finally {
        // Whoever looks at what a failed pass left behind gets an error, not a gradient.
        if (!done) overwritten.values().forEach(t -> t.free("a backward pass that failed"));
      }
    }

    private Gradients pass(Tensor root, Tensor start) {
      List<Tensor> nodes = recorded(root);
      kept.add(root.storage());
      for (Tensor node : nodes) {
        if (node.isRetained()) kept.add(node.storage());
        if (node.op() instanceof RecomputeOp) recomputed = Math.max(recomputed, node.id());
        if (node.op() instanceof CustomOp) custom = true;
        node.op().inputs().forEach(input -> readers.merge(input.storage(), 1, Integer::sum));
      }
      hold(start);
      grads.put(root, start);
      for (Tensor node : nodes) {
        Tensor grad = grads.remove(node);
        Op op = node.op();
        if (grad != null) {
          try (Scope temporaries = Scope.open()) {
            GradientRules.apply(op, node, grad, this);
            temporaries.keepIf(this::isPending);
          }
          drop(grad);
        }
        node.setOp(new FreedOp(op.name()));
        op.saved().forEach(Tensor::close);
        boolean view = isView(node.storage(), op);
        if (!view && !kept.contains(node.storage())) {
          // A gradient that was written over values may go on from here.
          if (users.containsKey(node.storage())) adopted.put(node.storage(), node);
          else node.free(FREED);
        }
      }
      Gradients found = new Gradients(leafGrads());
      adopted.values().forEach(node -> node.free(FREED));
      return found;
    }

    private Map<Tensor, Tensor> leafGrads() {
      Map<Tensor, Tensor> out = new IdentityHashMap<>();
      // A gradient that is a view, or shared with another leaf or the caller, becomes a tensor of
      // its own.
      grads.forEach((leaf, grad) -> {
        boolean own =
            users.get(grad.storage()) == 1
                && made.contains(grad.storage())
                && grad.layout().isContiguous();
        out.put(leaf, own ? grad : ShapeFunctions.copy(grad));
      });
      return out;
    }

    @Override
    public void add(Tensor input, Tensor grad) {
      if (!wants(input)) return;
      if (!grad.layout().sameShape(input.layout())) {
        throw new IllegalStateException(
            "gradient of shape %s for an input of shape %s"
                .formatted(grad.layout(), input.layout()));
      }
      if (grad.storage() == input.storage()) overwritten.put(grad.storage(), input);
      Tensor old = grads.get(input);
      if (old == null) {
        hold(grad);
        grads.put(input, grad);
      } else if (pending(input) != null) {
        Backends.of(old.device())
            .elementwise()
            .accumulate(old.strided(), grad.contiguous().strided());
      } else {
        Tensor sum = old.add(grad);
        hold(sum);
        grads.put(input, sum);
        drop(old);
      }
    }

    @Override
    public Tensor pending(Tensor input) {
      Tensor old = grads.get(input);
      boolean own =
          old != null
              && made.contains(old.storage())
              && users.get(old.storage()) == 1
              && !old.storage().isShared()
              && old.layout().isContiguous();
      return own ? old : null;
    }

    /**
     * True for results of this pass whose memory only the asking operation and views on the way to
     * it read, and whose own operation does without them in its gradient. Code that is not the
     * engine's may read what no record shows: a custom operation anything, a recomputed block what
     * there was when it ran first.
     */
    @Override
    public boolean mayOverwrite(Tensor input) {
      Storage storage = input.storage();
      int reads = 1;
      Tensor base = input;
      while (base.op() instanceof ShapeOp view && view.inputs().getFirst().storage() == storage) {
        base = view.inputs().getFirst();
        reads++;
      }
      boolean unread =
          switch (base.op()) {
            case MatmulOp _, ShapeOp.Copy _, IndexOp.GatherRows _, ElementwiseOp.Cast _ -> true;
            case null, default -> false;
          };
      return unread
          && !custom
          && recomputed < base.id()
          && !storage.isShared()
          && !kept.contains(storage)
          && !users.containsKey(storage)
          && readers.getOrDefault(storage, 0) == reads;
    }

    private boolean isPending(Storage storage) {
      return users.containsKey(storage) && made.add(storage);
    }

    private void hold(Tensor t) {
      users.merge(t.storage(), 1, Integer::sum);
    }

    private void drop(Tensor t) {
      if (users.merge(t.storage(), -1, Integer::sum) == 0) {
        users.remove(t.storage());
        if (made.remove(t.storage())) t.close();
        Tensor node = adopted.remove(t.storage());
        if (node != null) node.free(FREED);
      }
    }
  }
}
