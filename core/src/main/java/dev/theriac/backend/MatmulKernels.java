package dev.theriac.backend;

import dev.theriac.tensor.Strided;

/** Matrix products in F32 with a fixed order of summation over K. */
public interface MatmulKernels {
  /**
   * c = a b (+ bias), or c += a b.
   *
   * @param a [batch..., M, K], any strides; a broadcast batch has stride 0
   * @param b [batch..., K, N], any strides, F32 or BF16/F16 (widened); same rank as a
   * @param bias [N] contiguous, or null
   * @param c [batch..., M, N], contiguous
   * @param accumulate adds to what c holds (then bias must be null)
   */
  void matmul(Strided a, Strided b, Strided bias, Strided c, boolean accumulate);
}
