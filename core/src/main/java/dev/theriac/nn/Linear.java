package dev.theriac.nn;

import dev.theriac.op.Matmul;
import dev.theriac.op.Quantised;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/**
 * y = x W^T + b with weight [out, in] and bias [out]. The weight may be {@link Parameter#quantised
 * quantised}, for inference.
 */
public final class Linear extends Module {
  private final Parameter weight;
  private final Parameter bias;

  /** Weights normal with the given standard deviation, bias 0. */
  public Linear(long in, long out, boolean withBias, Rng rng, double std) {
    weight = parameter("weight", Tensor.randn(rng, std, out, in));
    bias = withBias ? parameter("bias", Tensor.zeros(out)) : null;
  }

  /** On a weight [out, in] that another module holds too, such as a tied head; a bias is 0. */
  public Linear(Parameter shared, boolean withBias) {
    weight = parameter("weight", shared);
    Tensor first = withBias ? Tensor.zeros(shared.device(), shared.shape()[0]) : null;
    bias = withBias ? parameter("bias", first) : null;
  }

  /** [..., in] to [..., out]. */
  public Tensor forward(Tensor x) {
    Tensor shift = bias == null ? null : bias.value();
    return weight.isQuantised()
        ? Quantised.linear(x, weight.quantised().getFirst(), shift)
        : Matmul.linear(x, weight.value(), shift);
  }

  public Parameter weight() {
    return weight;
  }

  /** The bias, or null. */
  public Parameter bias() {
    return bias;
  }
}
