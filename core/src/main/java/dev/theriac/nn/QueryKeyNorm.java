package dev.theriac.nn;

import dev.theriac.op.Norm;
import dev.theriac.op.ShapeFunctions;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/** Normalisation of projected queries or keys, before they are rotated. */
public final class QueryKeyNorm extends Module {
  private final Kind kind;
  private final int headDim;
  private final double eps;
  private final List<Parameter> weights = new ArrayList<>();
  private Parameter bias;

  /** The norms of published models. */
  public enum Kind {
    /** None. */
    NONE(""),
    /** RMSNorm over all heads together: {@code q_norm.weight} (OLMoE, Muennighoff et al.). */
    RMS_WHOLE("norm"),
    /** LayerNorm of each head, with weights that all share: {@code q_layernorm.weight} (Phi). */
    LAYER_SHARED("layernorm"),
    /** LayerNorm of each head, without bias: {@code q_layernorm.norms.N.weight} (StableLM). */
    LAYER_PER_HEAD("layernorm");

    private final String partName;

    Kind(String partName) {
      this.partName = partName;
    }

    String partName() {
      return partName;
    }
  }

  QueryKeyNorm(Kind kind, int heads, int headDim, double eps) {
    this.kind = kind;
    this.headDim = headDim;
    this.eps = eps;
    switch (kind) {
      case NONE -> throw new IllegalArgumentException("no norm");
      case RMS_WHOLE -> weights.add(parameter("weight", Tensor.ones((long) heads * headDim)));
      case LAYER_SHARED -> {
        weights.add(parameter("weight", Tensor.ones(headDim)));
        bias = parameter("bias", Tensor.zeros(headDim));
      }
      case LAYER_PER_HEAD -> {
        for (int h = 0; h < heads; h++) {
          weights.add(parameter("norms." + h + ".weight", Tensor.ones(headDim)));
        }
      }
    }
  }

  /** [B, T, heads * D] to the same shape. */
  Tensor forward(Tensor x) {
    if (kind == Kind.RMS_WHOLE) return Norm.rmsNorm(x, weights.getFirst().value(), eps);
    Tensor heads = x.reshape(x.size(0), x.size(1), x.size(2) / headDim, headDim);
    if (kind == Kind.LAYER_SHARED) {
      Tensor y = Norm.layerNorm(heads, weights.getFirst().value(), bias.value(), eps);
      return y.reshape(x.shape());
    }
    Tensor one = Tensor.full(x.device(), 1, DType.F32, headDim);
    Tensor plain = Norm.layerNorm(heads, one, Tensor.zeros(x.device(), headDim), eps);
    List<Tensor> rows = weights.stream().map(w -> w.value().to(DType.F32).unsqueeze(0)).toList();
    return plain.mul(ShapeFunctions.concat(0, rows)).reshape(x.shape());
  }
}
