package dev.theriac.nn;

import dev.theriac.op.Norm;
import dev.theriac.tensor.Tensor;

/** Layer normalisation over the last dimension with weight and bias (Ba et al.). */
public final class LayerNorm extends Normalisation {
  private final Parameter weight;
  private final Parameter bias;
  private final double eps;

  public LayerNorm(long dim, double eps) {
    this.eps = eps;
    weight = parameter("weight", Tensor.ones(dim));
    bias = parameter("bias", Tensor.zeros(dim));
  }

  @Override
  public Tensor forward(Tensor x) {
    return Norm.layerNorm(x, weight.value(), bias.value(), eps);
  }

  @Override
  public Norm.Added add(Tensor x, Tensor r) {
    return Norm.addLayerNorm(x, r, weight.value(), bias.value(), eps);
  }
}
