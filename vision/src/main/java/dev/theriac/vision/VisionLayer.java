package dev.theriac.vision;

import dev.theriac.nn.LayerNorm;
import dev.theriac.nn.Mlp;
import dev.theriac.nn.Module;
import dev.theriac.nn.SelfAttention;
import dev.theriac.op.Norm;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/** A pre-norm block: x1 = x + Attn(LN1(x)), x2 = x1 + MLP(LN2(x1)), full attention. */
final class VisionLayer extends Module {
  private final SelfAttention attention;
  private final LayerNorm norm1;
  private final Mlp mlp;
  private final LayerNorm norm2;

  VisionLayer(VisionConfig config, Rng rng) {
    double std = config.initStd();
    int headDim = config.dim() / config.heads();
    var shape =
        new SelfAttention.Config(
            config.dim(),
            config.heads(),
            config.heads(),
            headDim,
            true,
            true,
            "out_proj",
            false,
            0,
            0);
    attention = part("self_attn", new SelfAttention(shape, rng, std, std));
    norm1 = part("layer_norm1", new LayerNorm(config.dim(), config.normEps()));
    mlp =
        part(
            "mlp",
            new Mlp(config.dim(), config.intermediate(), config.activation(), rng, std, std));
    norm2 = part("layer_norm2", new LayerNorm(config.dim(), config.normEps()));
  }

  /** The norm that comes first. */
  LayerNorm inputNorm() {
    return norm1;
  }

  /**
   * The block, its norms fused with the residual connections before them.
   *
   * @param in the input and the input norm of it
   * @param next the norm that is applied to the output, or null
   */
  Norm.Added forward(Norm.Added in, LayerNorm next) {
    Norm.Added middle = norm2.add(in.sum(), attention.forward(in.norm(), null, null, null, 0));
    Tensor x = middle.sum();
    Tensor r = mlp.forward(middle.norm());
    return next == null ? new Norm.Added(x.add(r), null) : next.add(x, r);
  }
}
