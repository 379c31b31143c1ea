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
