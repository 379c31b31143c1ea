package dev.theriac.backend.scalar;

import dev.theriac.backend.SoftmaxKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/** Row by row in float64. */
final class ScalarSoftmax implements SoftmaxKernels {
  private static final long GRAIN = 1 << 12;

  /** Work on one row, given the byte offset of its first element. */
  private interface Row {
    void run(long offset);
  }

  private static void rows(Strided x, Row body) {
    long columns = x.size(1);
    Workers.parallelRange(
        x.size(0),
        Math.max(1, GRAIN / Math.max(1, columns)),
        (from, to) -> {
          for (long n = from; n < to; n++) body.run(4 * n * columns);
        });
  }

  private static double max(long x, long columns) {
    double max = Double.NEGATIVE_INFINITY;
    for (long j = 0; j < columns; j++) max = Math.max(max, Host.getFloat(x + 4 * j));
    return max;
  }

  /** Log of the sum of exponentials of a row; -infinity when every element is. */
  static double logSumExp(long x, long columns) {
    double max = max(x, columns);
    if (max == Double.NEGATIVE_INFINITY) return max;
    double sum = 0;
    for (long j = 0; j < columns; j++) sum += StrictMath.exp(Host.getFloat(x + 4 * j) - max);
    return max + StrictMath.log(sum);
  }

  @Override
  public void softmax(Strided x, Strided out) {
    long columns = x.size(1);
    long px = x.address();
    long po = out.address();
    rows(
        x,
        row -> {
          double max = max(px + row, columns);
          double sum = 0;
          for (long j = row; j < row + 4 * columns; j += 4) {
            sum += exp(Host.getFloat(px + j), max);
          }
          for (long j = row; j < row + 4 * columns; j += 4) {
            double value = exp(Host.getFloat(px + j), max);
            Host.setFloat(po + j, value == 0 ? 0 : (float) (value / sum));
          }
        });
  }

  private static double exp(double x, double max) {
    return max == Double.NEGATIVE_INFINITY ? 0 : StrictMath.exp(x - max);
  }

  @Override
  public void softmaxGradient(Strided y, Strided grad, Strided dx) {
    long columns = y.size(1);
    long py = y.address();
    long pg = grad.address();
    long pd = dx.address();
    rows(
        y,
        row -> {
          double dot = 0;
          for (long j = row; j < row + 4 * columns; j += 4) {
            dot += (double) Host.getFloat(py + j) * Host.getFloat(pg + j);
          }
          for (long j = row; j < row + 4 * columns; j += 4) {
            double value = Host.getFloat(py + j) * (Host.getFloat(pg + j) - dot);
            Host.setFloat(pd + j, (float) value);
          }
        });
  }

  @Override
  public void logSumExp(Strided x, Strided out) {
    long columns = x.size(1);
    long px = x.address();
    long po = out.address();
    rows(x, row -> Host.setFloat(po + row / columns, (float) logSumExp(px + row, columns)));
  }

  @Override
  public void logSoftmax(Strided x, Strided out) {
    long columns = x.size(1);
    long px = x.address();
    long po = out.address();
    rows(
        x,
        row -> {
          double lse = logSumExp(px + row, columns);
          for (long j = row; j < row + 4 * columns; j += 4) {
            double value = Host.getFloat(px + j);
            boolean nothing = value == Double.NEGATIVE_INFINITY;
            Host.setFloat(po + j, (float) (nothing ? value : value - lse));
          }
        });
  }

  @Override
  public void logSoftmaxGradient(Strided y, Strided grad, Strided dx) {
    long columns = y.size(1);
    long py = y.address();
    long pg = grad.address();
    long pd = dx.address();
    rows(
        y,
        row -> {
          double sum = 0;
          for (long j = row; j < row + 4 * columns; j += 4) sum += Host.getFloat(pg + j);
          for (long j = row; j < row + 4 * columns; j += 4) {
            double value = Host.getFloat(pg + j) - StrictMath.exp(Host.getFloat(py + j)) * sum;
            Host.setFloat(pd + j, (float) value);
          }
        });
  }
}
