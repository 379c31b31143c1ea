package dev.theriac.op;

import dev.theriac.backend.BinaryKind;
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
    Tensor out = Tensor.empty(flat.device(), "layerNorm", DType.F32, flat.shape());
    Tensor mean = Tensor.empty(flat.device(), "layerNorm", DType.F32, flat.size(0));
    Tensor rstd = Tensor.empty(flat.device(), "layerNorm", DType.F32, flat.size(0));
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
    Tensor out = Tensor.empty(flat.device(), "rmsNorm", DType.F32, flat.shape());
    Tensor rstd = Tensor.empty(flat.device(), "rmsNorm", DType.F32, flat.size(0));
    Check.backend("rmsNorm", flat, w)
        .norm()
        .rmsNorm(flat.strided(), w.strided(), (float) eps, out.strided(), rstd.strided());
    return shaped(Autograd.result(out.strided(), new NormOp.RmsNorm(flat, w, rstd)), x);
  }

  /**
   * A sum and what a norm makes of it; both carry gradients.
   *
   * @param sum x + r
   * @param norm the norm of sum
   */
  public record Added(Tensor sum, Tensor norm) {}

  /**
   * x + r and {@link #layerNorm} of it, with the bits of the two operations: a residual connection
   * and the norm after it, where sums are normalised while they are in the cache. The gradient of
   * the norm is added to that of the sum in place.
   *
   * @param x [..., D]
   * @param r of the shape of x
   */
  public static Added addLayerNorm(Tensor x, Tensor r, Tensor weight, Tensor bias, double eps) {
    Check.shape("addLayerNorm", "r", r, x.shape());
    if (x.dtype() != DType.F32 || r.dtype() != DType.F32) {
      Tensor sum = x.add(r);
      return new Added(sum, layerNorm(sum, weight, bias, eps));
    }
    Tensor a = rows("addLayerNorm", x, weight);
    Tensor b = rows("addLayerNorm", r, weight);
    Check.shape("addLayerNorm", "bias", bias, x.size(-1));
    Tensor w = Check.f32("addLayerNorm", weight).contiguous();
    Tensor shift = Check.f32("addLayerNorm", bias).contiguous();
    Tensor sum = Tensor.empty(a.device(), "addLayerNorm", DType.F32, a.shape());
    Tensor out = Tensor.empty(a.device(), "addLayerNorm", DType.F32, a.shape());
    Tensor mean = Tensor.empty(a.device(), "addLayerNorm", DType.F32, a.size(0));
    Tensor rstd = Tensor.empty(a.device(), "addLayerNorm", DType.F32, a.size(0));
    Check.backend("addLayerNorm", a, b, w, shift)
        .norm()
        .addLayerNorm(
            a.strided(),
            b.strided(),
            w.strided(),
            shift.strided(),
            (float) eps,
            sum.strided(),
            out.strided(),
            mean.strided(),
            rstd.strided());
    Tensor s = sum(sum, a, b);
    return added(s, out, new NormOp.LayerNorm(s, w, shift, mean, rstd), x);
  }

  /**
   * x + r and {@link #rmsNorm} of it, as {@link #addLayerNorm}.
   *
   * @param x [..., D]
   * @param r of the shape of x
   */
  public static Added addRmsNorm(Tensor x, Tensor r, Tensor weight, double eps) {
    Check.shape("addRmsNorm", "r", r, x.shape());
    if (x.dtype() != DType.F32 || r.dtype() != DType.F32) {
      Tensor sum = x.add(r);
      return new Added(sum, rmsNorm(sum, weight, eps));
    }
    Tensor a = rows("addRmsNorm", x, weight);
    Tensor b = rows("addRmsNorm", r, weight);
    Tensor w = Check.f32("addRmsNorm", weight).contiguous();
    Tensor sum = Tensor.empty(a.device(), "addRmsNorm", DType.F32, a.shape());
    Tensor out = Tensor.empty(a.device(), "addRmsNorm", DType.F32, a.shape());
    Tensor rstd = Tensor.empty(a.device(), "addRmsNorm", DType.F32, a.size(0));
    Check.backend("addRmsNorm", a, b, w)
        .norm()
        .addRmsNorm(
            a.strided(),
            b.strided(),
            w.strided(),
            (float) eps,
            sum.strided(),
            out.strided(),
            rstd.strided());
    Tensor s = sum(sum, a, b);
    return added(s, out, new NormOp.RmsNorm(s, w, rstd), x);
  }

  private static Tensor sum(Tensor sum, Tensor a, Tensor b) {
    return Autograd.result(sum.strided(), new ElementwiseOp.Binary(BinaryKind.ADD, a, b));
  }

  /**
   * The view of the sum is made last: the backward pass goes through it first, so that the norm
   * finds the sum's other gradient in place.
   */
  private static Added added(Tensor sum, Tensor out, NormOp op, Tensor x) {
    Tensor norm = shaped(Autograd.result(out.strided(), op), x);
    return new Added(shaped(sum, x), norm);
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
