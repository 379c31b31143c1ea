package dev.theriac.nn;

import dev.theriac.backend.UnaryKind;
import dev.theriac.op.Matmul;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/** fc2(activation(fc1(x))), both with bias: the feed-forward of CLIP and Phi-2. */
public final class Mlp extends Module {
  private final Linear fc1;
  private final Linear fc2;
  private final UnaryKind activation;

  public Mlp(long dim, long hidden, UnaryKind activation, Rng rng, double std, double outputStd) {
    this.activation = activation;
    fc1 = part("fc1", new Linear(dim, hidden, true, rng, std));
    fc2 = part("fc2", new Linear(hidden, dim, true, rng, outputStd));
  }

  public Tensor forward(Tensor x) {
    return Matmul.feedForward(
        x,
        fc1.weight().value(),
        fc1.bias().value(),
        null,
        null,
        fc2.weight().value(),
        fc2.bias().value(),
        activation);
  }
}
