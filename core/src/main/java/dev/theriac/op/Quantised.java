package dev.theriac.op;

import dev.theriac.backend.QuantisedKernels;
import dev.theriac.backend.QuantisedKernels.Weights;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Tensor;
import java.lang.ref.Reference;

/**
 * Linear layers whose weights lie as kernels read them, as whole numbers of 8 or 4 bits, in BF16 or
 * F32, for inference: no gradients.
 */
public final class Quantised {
  private Quantised() {}

  /**
   * Rounds a weight to whole numbers, symmetrically about 0. In each block of 32 columns of a row
   * the scale is the largest magnitude over 127 (or 7), rounded up to BF16 and at least 2^-100, and
   * each number is weight / scale, rounded to nearest even. A weight is off by at most half a
   * scale. {@link QuantisedFormat#BF16} rounds to nearest even alone, which leaves weights in BF16
   * as they are, and {@link QuantisedFormat#F32} rounds nothing.
   *
   * @param weight [N, K], F32 or a half type; finite, and of magnitudes up to 2^100 for whole
   *     numbers
   */
  public static QuantisedMatrix quantise(Tensor weight, QuantisedFormat format) {
    Check.that(weight.rank() == 2, "quantise: weight %s; [N, K] is wanted", weight.layout());
    Check.that(
        weight.dtype().isFloating(),
        "quantise: weight is %s%s, not floating",
        weight.dtype(),
        weight.layout());
    Tensor w = Autograd.noGrad(weight::contiguous);
    QuantisedMatrix q = QuantisedMatrix.empty(w.device(), format, w.size(0), w.size(1));
    kernels("quantise", w, q).quantise(w.strided(), weights(q));
    Reference.reachabilityFence(w);
    return q;
  }

  /** The F32 matrix [N, K] that the numbers and scales stand for, without rounding. */
  public static Tensor dequantise(QuantisedMatrix w) {
    Tensor out = Tensor.empty(w.bytes().device(), "dequantise", DType.F32, w.rows(), w.columns());
    kernels("dequantise", out, w).dequantise(weights(w), out.strided());
    Reference.reachabilityFence(w);
    return out;
  }

  /**
   * x W^T + bias, with W as {@link #dequantise} gives it. On the vector back end the sums of blocks
   * of 32 inputs, before their scales, are added up in order, so that a row does not depend on what
   * it is batched with; its bits are not those of {@link Matmul#linear}. With weights in {@link
   * QuantisedFormat#BF16} or {@link QuantisedFormat#F32} they are.
   *
   * @param x [..., K]
   * @param weight [N, K]
   * @param bias [N] or null
   * @return [..., N], of x's type
   * @throws IllegalStateException where a gradient would have to pass
   */
  public static Tensor linear(Tensor x, QuantisedMatrix weight, Tensor bias) {
    Check.that(
        x.rank() >= 1 && x.size(-1) == weight.columns(),
        "quantisedLinear: input %s and weight %s do not fit; [..., K] and [N, K] are wanted",
        x.layout(),
        weight);
    Check.shape("quantisedLinear", "bias", bias, weight.rows());
    if (Autograd.enabled() && (x.requiresGrad() || bias != null && bias.requiresGrad())) {
      throw new IllegalStateException(
          "quantisedLinear: quantised weights pass no gradient on; run it in Autograd.noGrad, or"
              + " detach() the input");
    }
    Tensor in = Check.f32("quantisedLinear", x);
    long rows = 1;
    for (int i = 0; i < x.rank() - 1; i++) rows *= x.size(i);
    Tensor flat = in.reshape(rows, weight.columns()).contiguous();
    Tensor shift = bias == null ? null : Check.f32("quantisedLinear", bias).contiguous();
    Tensor out = Tensor.empty(flat.device(), "quantisedLinear", DType.F32, rows, weight.rows());
    Check.backend("quantisedLinear", flat, weight.bytes(), shift)
        .quantised()
        .linear(
            flat.strided(), weights(weight), shift == null ? null : shift.strided(), out.strided());
    Reference.reachabilityFence(flat);
    Reference.reachabilityFence(shift);
    Reference.reachabilityFence(weight);
    long[] shape = x.shape();
    shape[shape.length - 1] = weight.rows();
    return Elementwise.cast(x.rank() == 2 ? out : out.reshape(shape), x.dtype());
  }

  private static QuantisedKernels kernels(String op, Tensor t, QuantisedMatrix w) {
    return Check.backend(op, t, w.bytes()).quantised();
  }

  private static Weights weights(QuantisedMatrix w) {
    return new Weights(w.bytes().strided(), w.format(), w.rows(), w.columns());
  }
}
