package dev.theriac.backend;

import dev.theriac.tensor.Strided;

/** Softmax over the last dimension with the maximum subtracted. F32, contiguous, [N, C]. */
public interface SoftmaxKernels {
  /** A row that is -infinity everywhere gives zeros, not NaN. */
  void softmax(Strided x, Strided out);

  /** dx = y * (grad - sum(y * grad)). */
  void softmaxGradient(Strided y, Strided grad, Strided dx);

  void logSoftmax(Strided x, Strided out);

  /** dx = grad - exp(y) * sum(grad). */
  void logSoftmaxGradient(Strided y, Strided grad, Strided dx);

  /** out[n] = log(sum(exp(x[n, :]))); -infinity where all are; out [N]. */
  void logSumExp(Strided x, Strided out);
}
