package dev.theriac.backend;

import dev.theriac.tensor.Strided;

/** Parameter updates in place, and the norm that clipping needs. F32, contiguous. */
public interface OptimKernels {
  /**
   * One AdamW step (Loshchilov and Hutter, "Decoupled weight decay regularization", algorithm 2, as
   * in PyTorch).
   *
   * @param lr learning rate of this step
   * @param beta1 decay of the first moment
   * @param beta2 decay of the second moment
   * @param eps added to the root of the corrected second moment
   * @param weightDecay decoupled decay; the parameter is first multiplied by 1 - lr * weightDecay
   * @param step 1 for the first step
   */
  record AdamW(double lr, double beta1, double beta2, double eps, double weightDecay, long step) {}

  /** m and v are the moments, updated in place; {@code gradScale} multiplies the gradient first. */
  void adamW(Strided parameter, Strided grad, Strided m, Strided v, float gradScale, AdamW step);

  /**
   * parameter -= lr * (gradScale * grad + weightDecay * parameter), with momentum when buf given.
   */
  void sgd(
      Strided parameter,
      Strided grad,
      Strided momentumBuffer,
      float gradScale,
      double lr,
      double momentum,
      double weightDecay);

  /**
   * Sets out[i] to whether slice i of the first dimension of {@code x} holds anything but zeros;
   * -0.0 is one, NaN is not.
   */
  void nonZero(Strided x, boolean[] out);

  /** Sum of squares in float64, in a fixed order. */
  double sumOfSquares(Strided x);
}
