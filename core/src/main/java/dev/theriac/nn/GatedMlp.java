package dev.theriac.nn;

import dev.theriac.backend.UnaryKind;
import dev.theriac.op.Matmul;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/** down(silu(gate(x)) * up(x)), no bias: SwiGLU (Shazeer, "GLU variants improve transformer"). */
public final class GatedMlp extends Module {
  private final Linear gate;
  private final Linear up;
  private final Linear down;

  public GatedMlp(long dim, long hidden, Rng rng, double std, double outputStd) {
    gate = part("gate_proj", new Linear(dim, hidden, false, rng, std));
    up = part("up_proj", new Linear(dim, hidden, false, rng, std));
    down = part("down_proj", new Linear(hidden, dim, false, rng, outputStd));
  }

  public Tensor forward(Tensor x) {
    return Matmul.feedForward(
        x,
        gate.weight().value(),
        null,
        up.weight().value(),
        null,
        down.weight().value(),
        null,
        UnaryKind.SILU);
  }
}
