package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.LossKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/** Cross-entropy row by row; the only buffer is the one for the gradient. */
final class VectorLoss implements LossKernels {
  @Override
  public void crossEntropy(
      Strided logits, Strided targets, long ignored, Strided losses, Strided lse) {
    int classes = Math.toIntExact(logits.size(1));
    long px = logits.address();
    long pt = targets.address();
    long pl = losses.address();
    long pe = lse.address();
    Workers.parallelRange(
        logits.size(0),
        VectorSoftmax.grain(classes),
        (from, to) -> {
          long sums = LogSums.start();
          long n = counted(pt, ignored, from, to, pl, pe);
          while (n < to) {
            long row = px + 4 * n * classes;
            long next = counted(pt, ignored, n + 1, to, pl, pe);
            LogSums.row(row, classes, next < to ? px + 4 * next * classes : 0, sums);
            double log = LogSums.max(sums) + LogSums.log(sums);
            float hit = Host.getFloat(row + 4 * Host.getLong(pt + 8 * n));
            Host.setFloat(pl + 4 * n, (float) (log - hit));
            Host.setFloat(pe + 4 * n, (float) log);
            n = next;
          }
        });
  }

  /** The first row from {@code n} on that counts; those before it get zeros. */
  private static long counted(long targets, long ignored, long n, long to, long losses, long lse) {
    for (; n < to && Host.getLong(targets + 8 * n) == ignored; n++) {
      Host.setFloat(losses + 4 * n, 0);
      Host.setFloat(lse + 4 * n, 0);
    }
    return n;
  }

  @Override
  public void crossEntropyGradient(
      Strided logits, Strided targets, long ignored, Strided lse, float scale, Strided dlogits) {
    int classes = Math.toIntExact(logits.size(1));
    long px = logits.address();
    long pt = targets.address();
    long pe = lse.address();
    long pd = dlogits.address();
    Workers.parallelRange(
        logits.size(0),
        VectorSoftmax.grain(classes),
        (from, to) -> {
          long tail = Tails.vectors(1);
          for (long n = from; n < to; n++) {
            long o = 4 * n * classes;
            long target = Host.getLong(pt + 8 * n);
            if (target == ignored) {
              Moves.clear(pd + o, classes);
              continue;
            }
            float log = Host.getFloat(pe + 4 * n);
            gradientRow(px + o, pd + o, classes, log, scale, tail);
            long hit = pd + o + 4 * target;
            Host.setFloat(hit, Host.getFloat(hit) - scale);
          }
        });
  }

  private static void gradientRow(long x, long d, int n, float log, float scale, long tail) {
    int whole = n & -LENGTH;
    if (whole > 0) SoftmaxLoops.expScaled(x, d, whole, log, scale);
    if (whole == n) return;
    Tails.copy(x + 4L * whole, tail, n - whole);
    SoftmaxLoops.expScaled(tail, tail, LENGTH, log, scale);
    Tails.copy(tail, d + 4L * whole, n - whole);
  }
}
