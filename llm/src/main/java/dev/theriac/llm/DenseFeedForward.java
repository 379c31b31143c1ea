package dev.theriac.llm;

import dev.theriac.backend.UnaryKind;
import dev.theriac.nn.Linear;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Matmul;
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
    this(config.family(), config.dim(), config.intermediate(), rng, config.initStd());
  }

  /**
   * One whose width is not the decoder's, such as an expert that every token passes.
   *
   * @param dim width of the model
   * @param hidden width inside
   * @param std standard deviation of fresh weights
   */
  public DenseFeedForward(DecoderConfig.Family family, long dim, long hidden, Rng rng, double std) {
    switch (family) {
      case PHI -> {
        first = part("fc1", new Linear(dim, hidden, true, rng, std));
        up = null;
        last = part("fc2", new Linear(hidden, dim, true, rng, std));
      }
      case STABLELM, LLAMA -> {
        first = part("gate_proj", new Linear(dim, hidden, false, rng, std));
        up = part("up_proj", new Linear(dim, hidden, false, rng, std));
        last = part("down_proj", new Linear(hidden, dim, false, rng, std));
      }
      default -> throw new IllegalStateException("family " + family);
    }
  }

  /** Between the projections, or on the gate: GELU (tanh form) for PHI, SILU for the others. */
  public UnaryKind activation() {
    return up == null ? UnaryKind.GELU_TANH : UnaryKind.SILU;
  }

  @Override
  public Output forward(Tensor u) {
    Tensor y =
        Matmul.feedForward(
            u,
            first.weight().value(),
            value(first.bias()),
            up == null ? null : up.weight().value(),
            null,
            last.weight().value(),
            value(last.bias()),
            activation());
    return new Output(y, null);
  }

  private static Tensor value(Parameter p) {
    return p == null ? null : p.value();
  }
}
