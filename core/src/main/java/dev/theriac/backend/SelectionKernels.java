package dev.theriac.backend;

import dev.theriac.tensor.Strided;

/**
 * Choice of k columns of each row, a softmax over what was chosen, and rows by what was chosen: the
 * part of a router behind its matrix product. Contiguous; scores and logits F32 [N, C], ids I64 [N,
 * k].
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
   * Spreads tokens over groups: a stable counting sort of their choices by group. Row r of R holds
   * a choice that is not -1; rows of one group lie together, inside a group by token. One order for
   * one input, whoever computes what.
   *
   * @param ids I64 [T, k], the group of each choice, or -1 where it was dropped
   * @param groups number of groups E, 1 or more
   * @param known that all ids are in [0, groups) and those of a token differ, as {@link #select}
   *     gives them: then R is T * k, nothing can be wrong, and a device need not be waited for
   * @param offsets I64 [E+1], where each group's rows begin; the last is R
   * @param rowToken I64 [T * k]: entries [0, R), the token of each row
   * @param rowSlot I64 [T * k]: entries [0, R), t * k + j for choice j of token t
   * @param tokenStart I64 [T+1], where each token's rows begin in {@code tokenRow}; the last is R
   * @param tokenRow I64 [T * k]: entries [0, R), rows token by token, ascending within a token
   * @return R; what lies behind it in outputs of size T * k is left as it was
   * @throws IllegalArgumentException from {@link #outside} or {@link #twice}, for one of the
   *     choices that are wrong; what the outputs then hold is not defined
   */
  long sortRows(
      Strided ids,
      int groups,
      boolean known,
      Strided offsets,
      Strided rowToken,
      Strided rowSlot,
      Strided tokenStart,
      Strided tokenRow);

  /** That {@link #sortRows} met an id out of range. */
  static IllegalArgumentException outside(long id, long token, long choice, int groups) {
    return new IllegalArgumentException(
        "rowGroups: id %d of token %d, choice %d is not in [0, %d), nor -1 for a dropped one"
            .formatted(id, token, choice, groups));
  }

  /** That {@link #sortRows} met an id that the token chose before; {@code choice} is the second. */
  static IllegalArgumentException twice(long id, long token, long choice) {
    return new IllegalArgumentException(
        "rowGroups: token %d chose %d twice, the second time with choice %d; a token's choices must"
                .formatted(token, id, choice)
            + " differ");
  }

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
