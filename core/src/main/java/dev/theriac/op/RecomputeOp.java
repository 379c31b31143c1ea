package dev.theriac.op;

import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * A block whose activations are computed again in the backward pass instead of being kept (Chen et
 * al., "Training deep nets with sublinear memory cost"). Gradients of all leaves that the block
 * uses flow, but only if an input or a named parameter makes the backward pass come this way.
 */
public record RecomputeOp(
    Function<List<Tensor>, Tensor> block, List<Tensor> inputs, List<Tensor> parameters)
    implements Op {
  @Override
  public String name() {
    return "recompute";
  }

  /**
   * The leaves among the inputs too, so that the block is recorded when only they want gradients.
   */
  @Override
  public List<Tensor> inputs() {
    List<Tensor> all = new ArrayList<>(inputs);
    all.addAll(parameters);
    return all;
  }

  /**
   * Runs {@code block} on {@code inputs} without keeping what it computes on the way. The block
   * must compute the same every time (random state by value) and use no other tensors that want a
   * gradient than {@code inputs} and {@code parameters}.
   */
  public static Tensor recompute(
      Function<List<Tensor>, Tensor> block, List<Tensor> inputs, List<Tensor> parameters) {
    Tensor out = Autograd.noGrad(() -> Scope.call(() -> block.apply(inputs)));
    return Autograd.result(out.strided(), new RecomputeOp(block, inputs, parameters));
  }

  void apply(Tensor grad, GradientSink sink) {
    List<Tensor> fresh =
        inputs.stream().map(t -> t.requiresGrad() ? t.detach().requireGrad(true) : t).toList();
    Gradients grads =
        Autograd.withGrad(() -> {
          Tensor again = block.apply(fresh);
          return again.requiresGrad() ? again.backward(grad) : new Gradients();
        });
    for (int i = 0; i < fresh.size(); i++) {
      Tensor g = grads.get(fresh.get(i));
      if (g != null) sink.add(inputs.get(i), g);
    }
    for (Tensor leaf : grads.leaves()) {
      if (fresh.stream().noneMatch(t -> t == leaf)) sink.add(leaf, grads.get(leaf));
    }
  }
}
