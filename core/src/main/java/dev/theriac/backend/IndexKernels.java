package dev.theriac.backend;

import dev.theriac.tensor.Strided;

/**
 * Gather, scatter and selection. Ids are I64, contiguous, already checked to lie in range. Sums of
 * scattered rows are taken in ascending source order.
 */
public interface IndexKernels {
  /** out[n, :] = table[ids[n], :]; table [V, D] contiguous, any type, out [N, D] of the same. */
  void gatherRows(Strided table, Strided ids, Strided out);

  /** out[ids[n], :] += x[n, :] into a zeroed out; F32, x [N, D], out [V, D], contiguous. */
  void scatterRows(Strided x, Strided ids, Strided out);

  /** out[n, j] = x[n, ids[n, j]]; F32, x [N, C], ids and out [N, K], contiguous. */
  void gatherColumns(Strided x, Strided ids, Strided out);

  /** out[n, ids[n, j]] += x[n, j] into a zeroed out; F32, contiguous. */
  void scatterColumns(Strided x, Strided ids, Strided out);

  /**
   * The k largest of each row in descending order: a total order in which NaN comes last and equal
   * values go by the lower index, so that the same row gives the same ids everywhere.
   *
   * @param x F32 [N, C], contiguous
   * @param values F32 [N, k]
   * @param indices I64 [N, k]
   */
  void topK(Strided x, int k, Strided values, Strided indices);
}
