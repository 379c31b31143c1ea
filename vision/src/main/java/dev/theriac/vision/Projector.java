package dev.theriac.vision;

import dev.theriac.nn.Linear;
import dev.theriac.nn.Module;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/**
 * {@code mlp2x_gelu} of LLaVA: W2 gelu(W1 x + b1) + b2 with the exact (erf) GELU, from the vision
 * width to the language model's. Parts are named 0 and 2 as in published checkpoints.
 */
public final class Projector extends Module {
  private final Linear first;
  private final Linear second;

  public Projector(int visionDim, int dim, Rng rng, double std) {
    first = part("0", new Linear(visionDim, dim, true, rng, std));
    second = part("2", new Linear(dim, dim, true, rng, std));
  }

  /** [..., visionDim], on any device, to [..., dim] on this module's. */
  public Tensor forward(Tensor features) {
    return second.forward(first.forward(features.to(device())).gelu());
  }
}
