package dev.theriac.llm;

import dev.theriac.backend.UnaryKind;
import dev.theriac.nn.Linear;
import dev.theriac.op.Elementwise;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/**
 * The dense feed-forward of a family: fc1, GELU (tanh form), fc2; or gate, up and down (SwiGLU).
 */
public final class DenseFeedForward extends FeedForward {
  private final Linear first;
  private final Linear up;
  private final Linear last;

  public DenseFeedForward(DecoderConfig config, Rng rng) {
    double std = config.initStd();
    switch (config.family()) {
      case PHI -> {
        first = part("fc1", new Linear(config.dim(), config.intermediate(), true, rng, std));
        up = null;
        last = part("fc2", new Linear(config.intermediate(), config.dim(), true, rng, std));
      }
      case STABLELM -> {
        first = part("gate_proj", new Linear(config.dim(), config.intermediate(), false, rng, std));
        up = part("up_proj", new Linear(config.dim(), config.intermediate(), false, rng, std));
        last = part("down_proj", new Linear(config.intermediate(), config.dim(), false, rng, std));
      }
      default -> throw new IllegalStateException("family " + config.family());
    }
  }

  @Override
  public Output forward(Tensor u) {
    Tensor h = first.forward(u);
    Tensor a = up == null ? h.apply(UnaryKind.GELU_TANH) : Elementwise.swiglu(h, up.forward(u));
    return new Output(last.forward(a), null);
  }
}
