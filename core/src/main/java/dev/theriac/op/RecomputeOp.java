package dev.theriac.op;

import dev.theriac.tensor.Device;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Rng.Traced;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * A block whose activations are computed again in the backward pass instead of being kept (Chen et
 * al., "Training deep nets with sublinear memory cost"). Gradients of all leaves that the block
 * uses flow, but only if an input or a named parameter makes the backward pass come this way.
 *
 * <p>Random numbers are drawn once: the second run gets those of the first (dropout, noise of
 * routers, whatever draws from an {@link Rng} on the block's thread), and generators then stand
 * where they stood before it. What the block does beside computing happens in both runs; code that
 * counts asks {@link #isRecomputing}.
 *
 * @param drawn where the generators that the block draws from stood
 */
public record RecomputeOp(
    Function<List<Tensor>, Tensor> block,
    List<Tensor> inputs,
    List<Tensor> parameters,
    Map<Rng, Long> drawn)
    implements Op {
  private static final ScopedValue<Boolean> AGAIN = ScopedValue.newInstance();

  /** Whether this thread is running a block for the second time. */
  public static boolean isRecomputing() {
    return AGAIN.isBound();
  }

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
   * must compute the same every time, random numbers aside, and use no other tensors that want a
   * gradient than {@code inputs} and {@code parameters}.
   */
  public static Tensor recompute(
      Function<List<Tensor>, Tensor> block, List<Tensor> inputs, List<Tensor> parameters) {
    Traced<Tensor> out =
        Rng.trace(() -> Autograd.noGrad(() -> Scope.call(() -> block.apply(inputs))));
    // What the block makes of no other tensors comes to be where it came to be the first time.
    Device device = Device.current();
    Function<List<Tensor>, Tensor> there = in -> Device.with(device, () -> block.apply(in));
    return Autograd.result(
        out.result().strided(), new RecomputeOp(there, inputs, parameters, out.positions()));
  }

  private Tensor again(List<Tensor> fresh) {
    return ScopedValue.where(AGAIN, true).call(() -> block.apply(fresh));
  }

  void apply(Tensor grad, GradientSink sink) {
    List<Tensor> fresh =
        inputs.stream().map(t -> t.requiresGrad() ? t.detach().requireGrad(true) : t).toList();
    Gradients grads =
        Autograd.withGrad(() -> {
          Tensor again = Rng.repeat(drawn, () -> again(fresh));
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
