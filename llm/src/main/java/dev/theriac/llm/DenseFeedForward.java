package dev.theriac.llm;

import dev.theriac.backend.UnaryKind;
import dev.theriac.nn.Linear;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Elementwise;
import dev.theriac.op.Matmul;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/**
 * The dense feed-forward of a family: fc1, activation (GELU in its tanh form), fc2; or gate, up and
 * down with the activation on the gate (SiLU: SwiGLU).
 */
public final class DenseFeedForward extends FeedForward {
  private final Linear first;
  private final Linear up;
  private final Linear last;
  private final UnaryKind activation;

  public DenseFeedForward(DecoderConfig config, Rng rng) {
    this(
        config.family(),
        config.options(),
        config.dim(),
        config.intermediate(),
        rng,
        config.initStd());
  }

  /** One of another width, with the activation and biases of the decoder's. */
  public DenseFeedForward(DecoderConfig config, long hidden, Rng rng) {
    this(config.family(), config.options(), config.dim(), hidden, rng, config.initStd());
  }

  /**
   * One whose width is not the decoder's, such as an expert that every token passes, with the usual
   * activation and biases of the family.
   *
   * @param dim width of the model
   * @param hidden width inside
   * @param std standard deviation of fresh weights
   */
  public DenseFeedForward(DecoderConfig.Family family, long dim, long hidden, Rng rng, double std) {
    this(family, DecoderOptions.of(family), dim, hidden, rng, std);
  }

  private DenseFeedForward(
      DecoderConfig.Family family,
      DecoderOptions options,
      long dim,
      long hidden,
      Rng rng,
      double std) {
    activation = options.activation();
    boolean bias = options.mlpBias();
    switch (family) {
      case PHI -> {
        first = part("fc1", new Linear(dim, hidden, bias, rng, std));
        up = null;
        last = part("fc2", new Linear(hidden, dim, bias, rng, std));
      }
      case STABLELM, LLAMA -> {
        first = part("gate_proj", new Linear(dim, hidden, bias, rng, std));
        up = part("up_proj", new Linear(dim, hidden, bias, rng, std));
        last = part("down_proj", new Linear(hidden, dim, bias, rng, std));
      }
      default -> throw new IllegalStateException("family " + family);
    }
  }

  /** Between the projections, or on the gate: as a rule GELU_TANH for PHI, SILU for the others. */
  public UnaryKind activation() {
    return activation;
  }

  @Override
  public Output forward(Tensor u) {
    if (up != null && activation != UnaryKind.SILU || isQuantised()) {
      return new Output(oneByOne(u), null);
    }
    Tensor y =
        Matmul.feedForward(
            u,
            first.weight().value(),
            value(first.bias()),
            up == null ? null : up.weight().value(),
            up == null ? null : value(up.bias()),
            last.weight().value(),
            value(last.bias()),
            activation);
    return new Output(y, null);
  }

  /** With the roundings of the fused kernels, which keep what lies between products in F32. */
  private Tensor oneByOne(Tensor u) {
    Tensor x = u.to(DType.F32);
    Tensor hidden = first.forward(x);
    if (up == null) hidden = hidden.apply(activation);
    else if (activation == UnaryKind.SILU) hidden = Elementwise.swiglu(hidden, up.forward(x));
    else hidden = hidden.apply(activation).mul(up.forward(x));
    return last.forward(hidden).to(u.dtype());
  }

  /** Whether any of the matrices is, as the fused kernels know none. */
  private boolean isQuantised() {
    return first.weight().isQuantised()
        || last.weight().isQuantised()
        || up != null && up.weight().isQuantised();
  }

  private static Tensor value(Parameter p) {
    return p == null ? null : p.value();
  }
}
