package dev.theriac.backend;

import dev.theriac.tensor.Strided;

/**
 * Reductions on F32. The dimensions to reduce are the last ones of {@code x} (the caller permutes
 * the layout, so strides are arbitrary); the sum over them has one fixed order for a given shape.
 */
public interface ReduceKernels {
  /**
   * out[o] = kind over the last dimensions of x.
   *
   * @param x shape [kept..., reduced...], any strides
   * @param kept number of leading dimensions that stay
   * @param out contiguous, {@code kept} dimensions
   */
  void reduce(ReduceKind kind, Strided x, int kept, Strided out);

  /**
   * Index of the largest element along the last dimension: the lowest index wins ties, NaN counts
   * as smaller than every number.
   *
   * @param x [N, C], any strides
   * @param out I64 [N], contiguous
   */
  void argmax(Strided x, Strided out);
}
