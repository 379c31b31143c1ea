package dev.theriac.backend;

import dev.theriac.tensor.Strided;

/**
 * Choice of k columns of each row, and a softmax over what was chosen: the part of a router behind
 * its matrix product. Contiguous; scores and logits F32 [N, C], ids I64 [N, k].
 */
public interface SelectionKernels {
  /**
   * The k best columns of each row, best first. The order is total: higher score first, NaN last,
   * equal scores (zeros of either sign among them) by the lower column. So ids are distinct and in
   * range whatever the scores are.
   *
   * <p>With groups, columns are cut into {@code groups} runs of equal length; only the {@code kept}
   * best groups take part, ranked in the same order by the sum of their {@code best} highest scores
   * (all of them in a smaller group), added from the highest down.
   *
   * @param groups divides C; 1 for none
   * @param kept 1 to groups, with kept * C / groups at least k
   */
  void select(Strided scores, int k, int groups, int kept, int best, Strided ids);

  /**
   * Whether each row holds a NaN, or no highest score that is finite.
   *
   * @param flags BOOL [N]
   */
  void unusable(Strided scores, Strided flags);

  /**
   * Softmax over the chosen logits: e^(l - max) / sum; with {@code sigmoid}, sigmoid(l) / sum of
   * sigmoids, computed as softmax of log-sigmoids, so that no sum can underflow. A row of -infinity
   * gives zeros.
   *
   * @param ids in range
   * @param weights [N, k]
   */
  void selectedSoftmax(Strided logits, Strided ids, boolean sigmoid, Strided weights);

  /**
   * Gradient of {@link #selectedSoftmax}, exactly zero at columns that were not chosen; no division
   * by the sum is left in it.
   *
   * @param grad [N, k]
   * @param dlogits [N, C], every element is written
   */
  void selectedSoftmaxGradient(
      Strided logits, Strided ids, boolean sigmoid, Strided weights, Strided grad, Strided dlogits);
}
