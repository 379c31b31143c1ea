package dev.theriac.backend;

import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/**
 * Products of row groups with a matrix of their own each: rows offsets[e] .. offsets[e+1] belong to
 * group e. Contiguous; F32, but for weights, which may be of a half type. offsets: I64 [E+1],
 * ascending from 0 to R; groups may be empty. Row indices are I64 and already checked.
 */
public interface GroupedKernels {
  /**
   * R rows, read where they lie.
   *
   * @param values [R, C], or [T, C] when there is an index
   * @param index I64 [R]: row r is values[index[r]]; null for values[r]
   */
  record Rows(Strided values, Strided index) {
    public static Rows of(Strided values) {
      return new Rows(values, null);
    }

    /** Columns C. */
    public long columns() {
      return values.size(1);
    }

    /** Address of row {@code r}. */
    public long address(long r) {
      long row = index == null ? r : Host.getLong(index.address() + 8 * r);
      return values.address() + 4 * row * columns();
    }
  }

  /** out[r, :] = x[r, :] w[e]^T (+ bias[e]); x [R, K], w [E, N, K], bias [E, N] or null. */
  void grouped(Rows x, Strided w, Strided bias, Strided offsets, Strided out);

  /**
   * dx[r, :] = grad[r, :] w[e], or added to dx; grad [R, N], w [E, N, K], dx [R, K].
   *
   * @param accumulate whether dx keeps its old value as the start of the sum
   */
  void groupedInputGradient(Rows grad, Strided w, Strided offsets, boolean accumulate, Strided dx);

  /** dw[e] = grad_e^T x_e, or added to dw; zeros for empty groups unless accumulating. */
  void groupedWeightGradient(Rows grad, Rows x, Strided offsets, boolean accumulate, Strided dw);

  /**
   * dbias[e] = sum over the group's rows of scale[r] grad[r, :], or added to dbias.
   *
   * @param scale F32 [R], or null for 1
   */
  void groupedBiasGradient(
      Rows grad, Strided scale, Strided offsets, boolean accumulate, Strided dbias);
}
