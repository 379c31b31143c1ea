package dev.theriac.backend;

import dev.theriac.tensor.Strided;

/**
 * Rotary position embedding (Su et al., RoFormer), pairs by halves: dimension i with i + rotary/2.
 */
public interface RopeKernels {
  /**
   * Rotates the first {@code rotary} of D dimensions by the angle position * frequency, times the
   * scale, and copies the rest; {@code inverse} rotates back (that is the gradient). Angles in
   * float64.
   *
   * @param x F32 [B, T, H, D], last dimension with stride 1
   * @param positions I64 [B, T], contiguous
   * @param out [B, T, H, D], contiguous
   */
  void rope(
      Strided x, Strided positions, RopeFrequencies frequencies, boolean inverse, Strided out);
}
