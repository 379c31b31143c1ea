package dev.theriac.backend;

import dev.theriac.tensor.Strided;

/**
 * Scaled dot-product attention, softmax(scale q k^T + mask) v, in F32.
 *
 * <p>q and out are [B, T, H, D]; k and v are [B, S, G, D] with G key-value heads; H is a multiple
 * of G and query head h reads key head h / (H / G). The last dimension has stride 1, the others any
 * stride, negative ones too. Query t stands at position S - T + t of its sequence: with a causal
 * mask it sees keys 0..S-T+t. {@code lengths} (I64 [B], or null) hides keys from lengths[b] on. A
 * query that sees nothing gives zeros.
 */
public interface AttentionKernels {
  /**
   * {@code lse} [B, H, T], contiguous, receives the log of the sum of exponentials of each row's
   * scores.
   */
  void attention(
      Strided q,
      Strided k,
      Strided v,
      Strided lengths,
      boolean causal,
      float scale,
      Strided out,
      Strided lse);

  /**
   * Puts two parts of attention together that the same n queries paid to different keys: with
   * weights w = e^(lse - max) in float64, out = w / (w + w') out + w' / (w + w') other and lse =
   * max + log(w + w'), with quotients and sum rounded to F32; where both log-sums are -infinity all
   * stays as it is.
   *
   * @param out [B, n, H, D], last dimension with stride 1; becomes the result
   * @param lse [B, H, n], any strides, negative ones too; becomes the result's
   * @param other like out
   * @param otherLse like lse, with strides of its own
   */
  void joinAttention(Strided out, Strided lse, Strided other, Strided otherLse);

  /** Gradients from out and lse of the forward pass; dq, dk, dv are overwritten. */
  void attentionGradient(
      Strided q,
      Strided k,
      Strided v,
      Strided lengths,
      boolean causal,
      float scale,
      Strided out,
      Strided lse,
      Strided grad,
      Strided dq,
      Strided dk,
      Strided dv);
}
