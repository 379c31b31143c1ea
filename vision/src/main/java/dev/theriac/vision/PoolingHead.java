package dev.theriac.vision;

import dev.theriac.nn.LayerNorm;
import dev.theriac.nn.Linear;
import dev.theriac.nn.Mlp;
import dev.theriac.nn.Module;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Attention;
import dev.theriac.op.Matmul;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/**
 * Attention pooling of SigLIP: one learned query over all positions, then y + MLP(LN(y)). The
 * projections of query, key and value are one matrix, as in PyTorch's MultiheadAttention.
 */
final class PoolingHead extends Module {
  private final int dim;
  private final int heads;
  private final Parameter probe;
  private final Parameter weight;
  private final Parameter bias;
  private final Linear output;
  private final LayerNorm norm;
  private final Mlp mlp;

  PoolingHead(VisionConfig config, Rng rng) {
    dim = config.dim();
    heads = config.heads();
    double std = config.initStd();
    probe = parameter("probe", Tensor.randn(rng, std, 1, 1, dim));
    weight = parameter("attention.in_proj_weight", Tensor.randn(rng, std, 3L * dim, dim));
    bias = parameter("attention.in_proj_bias", Tensor.zeros(3L * dim));
    output = part("attention.out_proj", new Linear(dim, dim, true, rng, std));
    norm = part("layernorm", new LayerNorm(dim, config.normEps()));
    mlp = part("mlp", new Mlp(dim, config.intermediate(), config.activation(), rng, std, std));
  }

  /** [B, T, dim] to [B, dim]. */
  Tensor forward(Tensor x) {
    long batch = x.size(0);
    long count = x.size(1);
    int headDim = dim / heads;
    Tensor query = project(probe.value().to(DType.F32), 0, 1).expand(batch, 1, dim);
    Tensor both = project(x, 1, 3);
    Tensor seen =
        Attention.attention(
            query.reshape(batch, 1, heads, headDim),
            both.slice(2, 0, dim).reshape(batch, count, heads, headDim),
            both.slice(2, dim, 2L * dim).reshape(batch, count, heads, headDim),
            null,
            false);
    Tensor y = output.forward(seen.reshape(batch, dim));
    return y.add(mlp.forward(norm.forward(y)));
  }

  /** Through the parts {@code from} to {@code to - 1} of query, key and value. */
  private Tensor project(Tensor x, int from, int to) {
    long first = (long) from * dim;
    long end = (long) to * dim;
    return Matmul.linear(x, weight.value().slice(0, first, end), bias.value().slice(0, first, end));
  }
}
