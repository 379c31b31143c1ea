package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;

/** LayerNorm and RMSNorm over the last dimension. */
public final class Norm {
  private Norm() {}

  /**
   * (x - mean) / sqrt(variance + eps) * weight + bias (Ba et al., "Layer normalization").
   *
   * @param x [..., D]
   * @param weight [D]
   * @param bias [D]
   */
  public static Tensor layerNorm(Tensor x, Tensor weight, Tensor bias, double eps) {
    Tensor flat = rows("layerNorm", x, weight);
    Check.shape("layerNorm", "bias", bias, x.size(-1));
    Tensor w = Check.f32("layerNorm", weight).contiguous();
    Tensor b = Check.f32("layerNorm", bias).contiguous();
    Tensor out = Tensor.empty("layerNorm", DType.F32, flat.shape());
    Tensor mean = Tensor.empty("layerNorm", DType.F32, flat.size(0));
    Tensor rstd = Tensor.empty("layerNorm", DType.F32, flat.size(0));
    Check.backend("layerNorm", flat, w, b)
        .norm()
        .layerNorm(
            flat.strided(),
            w.strided(),
            b.strided(),
            (float) eps,
            out.strided(),
            mean.strided(),
            rstd.strided());
    return shaped(Autograd.result(out.strided(), new NormOp.LayerNorm(flat, w, b, mean, rstd)), x);
  }

  /**
   * x / sqrt(mean(x^2) + eps) * weight (Zhang and Sennrich, "Root mean square layer
   * normalization").
   *
   * @param x [..., D]
   * @param weight [D]
   */
  public static Tensor rmsNorm(Tensor x, Tensor weight, double eps) {
    Tensor flat = rows("rmsNorm", x, weight);
    Tensor w = Check.f32("rmsNorm", weight).contiguous();
    Tensor out = Tensor.empty("rmsNorm", DType.F32, flat.shape());
    Tensor rstd = Tensor.empty("rmsNorm", DType.F32, flat.size(0));
    Check.backend("rmsNorm", flat, w)
        .norm()
        .rmsNorm(flat.strided(), w.strided(), (float) eps, out.strided(), rstd.strided());
    return shaped(Autograd.result(out.strided(), new NormOp.RmsNorm(flat, w, rstd)), x);
  }

  private static Tensor rows(String op, Tensor x, Tensor weight) {
    Check.that(
        x.rank() >= 1 && x.size(-1) > 0,
        "%s: input %s has no elements to normalise",
        op,
        x.layout());
    Check.shape(op, "weight", weight, x.size(-1));
    return Check.f32(op, x).reshape(x.size() / x.size(-1), x.size(-1)).contiguous();
  }

  private static Tensor shaped(Tensor y, Tensor x) {
    return Elementwise.cast(x.rank() == 2 ? y : y.reshape(x.shape()), x.dtype());
  }
}
