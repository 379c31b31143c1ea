package dev.theriac.backend.scalar;

import dev.theriac.backend.LossKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/** Row by row in float64. */
final class ScalarLoss implements LossKernels {
  private static final long GRAIN = 1 << 12;

  private static long grain(long classes) {
    return Math.max(1, GRAIN / Math.max(1, classes));
  }

  @Override
  public void crossEntropy(
      Strided logits, Strided targets, long ignored, Strided losses, Strided lse) {
    long classes = logits.size(1);
    Workers.parallelRange(
        logits.size(0),
        grain(classes),
        (from, to) -> {
          for (long n = from; n < to; n++) {
            long row = logits.address() + 4 * n * classes;
            long target = Host.getLong(targets.address() + 8 * n);
            double log = target == ignored ? 0 : ScalarSoftmax.logSumExp(row, classes);
            double loss = target == ignored ? 0 : log - Host.getFloat(row + 4 * target);
            Host.setFloat(losses.address() + 4 * n, (float) loss);
            Host.setFloat(lse.address() + 4 * n, (float) log);
          }
        });
  }

  @Override
  public void crossEntropyGradient(
      Strided logits, Strided targets, long ignored, Strided lse, float scale, Strided dlogits) {
    long classes = logits.size(1);
    Workers.parallelRange(
        logits.size(0),
        grain(classes),
        (from, to) -> {
          for (long n = from; n < to; n++) {
            long row = 4 * n * classes;
            long target = Host.getLong(targets.address() + 8 * n);
            double log = Host.getFloat(lse.address() + 4 * n);
            for (long j = 0; j < classes; j++) {
              double p = StrictMath.exp(Host.getFloat(logits.address() + row + 4 * j) - log);
              double value = target == ignored ? 0 : scale * (p - (j == target ? 1 : 0));
              Host.setFloat(dlogits.address() + row + 4 * j, (float) value);
            }
          }
        });
  }
}
