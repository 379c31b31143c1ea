package dev.theriac.backend;

import dev.theriac.tensor.Strided;

/**
 * Normalisation over the last dimension. F32, contiguous; x, y, grad, dx [N, D]; w, b, dw, db [D].
 * Squares of elements may be larger than an F32 number; the elements and their differences to the
 * mean may not.
 */
public interface NormKernels {
  /**
   * y = (x - mean) * rstd * w + b, variance biased (divided by D); mean and rstd [N] are written.
   */
  void layerNorm(Strided x, Strided w, Strided b, float eps, Strided y, Strided mean, Strided rstd);

  /**
   * sum = x + r, then {@link #layerNorm} of sum, with the bits of both operations. sum [N, D] is
   * not one of the inputs.
   */
  void addLayerNorm(
      Strided x,
      Strided r,
      Strided w,
      Strided b,
      float eps,
      Strided sum,
      Strided y,
      Strided mean,
      Strided rstd);

  /**
   * Gradients; dw and db (summed over rows in a fixed order) and dx may be null when not wanted.
   *
   * @param add whether dx holds a gradient already, to which this one is added (rounded first, so
   *     that the bits are those of two operations)
   */
  void layerNormGradient(
      Strided x,
      Strided w,
      Strided mean,
      Strided rstd,
      Strided grad,
      Strided dx,
      boolean add,
      Strided dw,
      Strided db);

  /** y = x * rstd * w with rstd = 1 / sqrt(mean(x^2) + eps); rstd [N] is written. */
  void rmsNorm(Strided x, Strided w, float eps, Strided y, Strided rstd);

  /** sum = x + r, then {@link #rmsNorm} of sum; as {@link #addLayerNorm}. */
  void addRmsNorm(Strided x, Strided r, Strided w, float eps, Strided sum, Strided y, Strided rstd);

  /** Gradients; dx or dw may be null when not wanted, {@code add} as above. */
  void rmsNormGradient(
      Strided x, Strided w, Strided rstd, Strided grad, Strided dx, boolean add, Strided dw);
}
