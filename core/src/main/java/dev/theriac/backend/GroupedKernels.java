package dev.theriac.backend;

import dev.theriac.tensor.Strided;

/**
 * Products of row groups with a matrix of their own each: rows offsets[e] .. offsets[e+1] of x
 * belong to group e. F32, contiguous. offsets: I64 [E+1], ascending from 0 to R; groups may be
 * empty.
 */
public interface GroupedKernels {
  /**
   * out[r, :] = x[r, :] w[e]^T (+ bias[e]); x [R, K], w [E, N, K], bias [E, N] or null, out [R, N].
   */
  void grouped(Strided x, Strided w, Strided bias, Strided offsets, Strided out);

  /** dx[r, :] = grad[r, :] w[e]; grad [R, N], w [E, N, K], dx [R, K]. */
  void groupedInputGradient(Strided grad, Strided w, Strided offsets, Strided dx);

  /**
   * dw[e] = grad_e^T x_e and dbias[e] = column sums of grad_e; zeros for empty groups; dbias may be
   * null.
   */
  void groupedWeightGradient(Strided grad, Strided x, Strided offsets, Strided dw, Strided dbias);
}
