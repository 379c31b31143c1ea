package dev.theriac.nn;

import dev.theriac.op.Norm;
import dev.theriac.tensor.Tensor;

/** Root mean square normalisation over the last dimension (Zhang and Sennrich). */
public final class RmsNorm extends Normalisation {
  private final Parameter weight;
  private final double eps;

  public RmsNorm(long dim, double eps) {
    this.eps = eps;
    weight = parameter("weight", Tensor.ones(dim));
  }

  @Override
  public Tensor forward(Tensor x) {
    return Norm.rmsNorm(x, weight.value(), eps);
  }

  @Override
  public Norm.Added add(Tensor x, Tensor r) {
    return Norm.addRmsNorm(x, r, weight.value(), eps);
  }
}
