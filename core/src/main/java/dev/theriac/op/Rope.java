package dev.theriac.op;

import dev.theriac.backend.RopeFrequencies;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;

/** Rotary position embedding (Su et al., "RoFormer"), on part of the head if asked. */
public final class Rope {
  private Rope() {}

  /**
   * Rotates dimension i with i + rotary/2 ("rotate half") by position * theta^(-2i/rotary);
   * dimensions from {@code rotary} on pass unchanged.
   *
   * @param x [B, T, H, D]
   * @param positions I64 [B, T]
   * @param rotary even, at most D
   */
  public static Tensor rope(Tensor x, Tensor positions, int rotary, double theta) {
    dimensions(x, rotary);
    return rope(x, positions, RopeFrequencies.of(rotary, theta));
  }

  /**
   * Rotates dimension i with i + rotary/2 by position * the frequency of i, times the scale.
   *
   * @param x [B, T, H, D]
   * @param positions I64 [B, T]
   */
  public static Tensor rope(Tensor x, Tensor positions, RopeFrequencies frequencies) {
    dimensions(x, frequencies.rotary());
    Check.dtype("rope", "positions", positions, DType.I64);
    Check.shape("rope", "positions", positions, x.size(0), x.size(1));
    Tensor in = Check.f32("rope", x);
    if (in.layout().stride(3) != 1) in = in.contiguous();
    Tensor at = positions.contiguous();
    Tensor out = rotate(in, at, frequencies, false);
    return Elementwise.cast(
        Autograd.result(out.strided(), new RopeOp.Rotate(in, at, frequencies)), x.dtype());
  }

  private static void dimensions(Tensor x, int rotary) {
    Check.that(x.rank() == 4, "rope: x must be [B, T, H, D], got %s", x.layout());
    Check.that(
        rotary >= 0 && rotary % 2 == 0 && rotary <= x.size(3),
        "rope: %d rotary dimensions of a head of %d; an even number up to the head's is wanted",
        rotary,
        x.size(3));
  }

  static Tensor rotate(Tensor x, Tensor positions, RopeFrequencies frequencies, boolean inverse) {
    Tensor out = Tensor.empty(x.device(), "rope", DType.F32, x.shape());
    Check.backend("rope", x, positions)
        .rope()
        .rope(x.strided(), positions.strided(), frequencies, inverse, out.strided());
    return out;
  }
}
