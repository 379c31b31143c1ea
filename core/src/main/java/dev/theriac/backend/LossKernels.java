package dev.theriac.backend;

import dev.theriac.tensor.Strided;

/** Cross-entropy from logits without a second [N, V] buffer. F32, contiguous. */
public interface LossKernels {
  /**
   * losses[n] = lse[n] - logits[n, targets[n]], 0 where the target is {@code ignored}.
   *
   * @param logits [N, V]
   * @param targets I64 [N], in [0, V) or {@code ignored}
   * @param losses [N]
   * @param lse [N], log of the sum of exponentials of each row, 0 where the target is {@code
   *     ignored}: such rows are not read
   */
  void crossEntropy(Strided logits, Strided targets, long ignored, Strided losses, Strided lse);

  /**
   * dlogits = scale * (softmax(logits) - onehot(target)), 0 in ignored rows. dlogits may be the
   * memory of logits.
   */
  void crossEntropyGradient(
      Strided logits, Strided targets, long ignored, Strided lse, float scale, Strided dlogits);
}
