package dev.theriac.backend;

import dev.theriac.backend.GroupedKernels.Rows;
import dev.theriac.tensor.Strided;

/**
 * What a mixture of feed-forwards needs beside grouped products, for a range of W rows grouped by
 * expert. F32, contiguous; ids I64, already checked. z are the arguments of the activation.
 */
public interface ExpertKernels {
  /**
   * The first product of E feed-forwards; see {@link dev.theriac.op.FeedForwardWeights}.
   *
   * @param gate [E, n, d], F32 or a half type
   * @param gateBias [E, n] or null
   * @param up like gate, or null for the plain form
   * @param upBias [E, n] or null
   * @param activation GELU, GELU_TANH, QUICK_GELU, SILU or RELU
   */
  record Hidden(Strided gate, Strided gateBias, Strided up, Strided upBias, UnaryKind activation) {
    public boolean gated() {
      return up != null;
    }
  }

  /**
   * zGate = x gate^T + gateBias, zUp = x up^T + upBias, a = act(zGate) * zUp, or a = act(zGate)
   * without up.
   *
   * @param offsets I64 [E+1], from 0 to W
   * @param zGate [W, n]; may be a
   * @param zUp [W, n], or null without up
   * @param a [W, n]
   */
  void hidden(Rows x, Hidden weights, Strided offsets, Strided zGate, Strided zUp, Strided a);

  /**
   * Row by row the gradients that follow from u, the gradient of the unweighted activation output:
   * with s = weights[slot[r]], weightGradient[slot[r]] = u . a (+ grad[r] . downBias[e]), dzGate
   * and dzUp = gradients of z for the output gradient s u. (Spec: dL/ds equals the gradient times
   * the expert's output, without that output.)
   *
   * @param slot I64 [W], places in weights and weightGradient; null where weights is
   * @param weights F32, any size; null for 1
   * @param downBias [E, d] or null
   * @param grad arriving at the output, d columns; read only with downBias
   * @param u [W, n]; becomes s a
   * @param dzGate [W, n]; may be zGate where weights is null and the form plain or SILU
   * @param dzUp [W, n] or null; may be zUp likewise
   * @param weightGradient as weights, or null
   */
  void hiddenGradient(
      UnaryKind activation,
      Strided slot,
      Strided weights,
      Strided offsets,
      Rows grad,
      Strided downBias,
      Strided zGate,
      Strided zUp,
      Strided u,
      Strided dzGate,
      Strided dzUp,
      Strided weightGradient);

  /**
   * For each token the sum over its rows r in [from, from + W), ascending, of weights[slot[r]] o[r
   * - from], as one chain of fused multiply-adds over all its rows: its first row overwrites y,
   * others add to it; tokens without any row become 0 when from is 0.
   *
   * @param o [W, d]
   * @param weights F32, or null for 1
   * @param slot I64 [R]
   * @param tokenStart I64 [T+1]
   * @param tokenRow I64 [R], ascending within a token
   * @param y [T, d]
   */
  void combine(
      Strided o,
      long from,
      Strided weights,
      Strided slot,
      Strided tokenStart,
      Strided tokenRow,
      Strided y);
}
