package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.SoftmaxKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/** Softmax row by row: maximum, exponentials and their sum, division. */
final class VectorSoftmax implements SoftmaxKernels {
  private static final long GRAIN = Grain.of(Grain.FUNCTION);

  /** Rows of at most so many elements are pipelined: five of them must fit the caches. */
  private static final int TOGETHER = 8192;

  /** Vectors of scratch that a row needs: three for its end, one for sums. */
  private static final int SCRATCH = 4;

  /** Rows of a task, by the row's length alone. */
  static long grain(long columns) {
    return Grain.rows(GRAIN, columns);
  }

  @Override
  public void softmax(Strided x, Strided out) {
    long rows = x.size(0);
    int columns = Math.toIntExact(x.size(1));
    long px = x.address();
    long po = out.address();
    if (rows <= grain(columns)) {
      softmax(px, po, rows, columns);
      return;
    }
    Workers.parallelRange(
        rows,
        grain(columns),
        (from, to) -> {
          long o = 4 * from * columns;
          softmax(px + o, po + o, to - from, columns);
        });
  }

  private static void softmax(long x, long y, long rows, int columns) {
    long tail = Tails.vectors(SCRATCH);
    if (columns % LENGTH == 0 && columns <= TOGETHER && rows > 1) {
      together(x, y, rows, columns, tail);
      return;
    }
    for (long r = 0; r < rows; r++, x += 4L * columns, y += 4L * columns) {
      softmaxRow(x, y, columns, tail);
    }
  }

  /** Exponentiates a row while it looks for the maximum of the next, then scales it. */
  private static void together(long x, long y, long rows, int n, long tail) {
    long scratch = tail + 2 * BYTES;
    long stride = 4L * n;
    float max = SoftmaxLoops.max(x, n);
    for (long r = 0; r < rows; r++, x += stride, y += stride) {
      long next = r + 1 < rows ? x + stride : x;
      if (max == Float.NEGATIVE_INFINITY) {
        nothing(x, y, n);
        if (r + 1 < rows) max = SoftmaxLoops.max(next, n);
        continue;
      }
      float sum = SoftmaxLoops.expSumMax(x, y, n, max, next, scratch);
      max = SoftmaxLoops.max(scratch + BYTES, LENGTH);
      SoftmaxLoops.scale(y, y, n, 1 / sum);
    }
  }

  private static void softmaxRow(long x, long y, int n, long tail) {
    int whole = n & -LENGTH;
    int rest = n - whole;
    long scratch = tail + 3 * BYTES;
    float max = max(x, n, tail);
    if (max == Float.NEGATIVE_INFINITY) {
      nothing(x, y, n);
      return;
    }
    float sum = 0;
    if (whole > 0) sum = SoftmaxLoops.expSum(x, y, whole, max, scratch);
    if (rest > 0) sum += SoftmaxLoops.expSum(tail, tail, LENGTH, max, scratch);
    float scale = 1 / sum;
    if (whole > 0) SoftmaxLoops.scale(y, y, whole, scale);
    if (rest > 0) {
      SoftmaxLoops.scale(tail, tail, LENGTH, scale);
      Tails.copy(tail, y + 4L * whole, rest);
    }
  }

  /** Largest element; the end of the row stays at {@code tail}, padded with -infinity. */
  private static float max(long x, int n, long tail) {
    int whole = n & -LENGTH;
    float max = whole > 0 ? SoftmaxLoops.max(x, whole) : Float.NEGATIVE_INFINITY;
    if (whole == n) return max;
    Tails.pad(x + 4L * whole, tail, n - whole, Float.NEGATIVE_INFINITY);
    return Math.max(max, SoftmaxLoops.max(tail, LENGTH));
  }

  /** A row without a number above -infinity: zeros, or NaN when there is one. */
  private static void nothing(long x, long y, int n) {
    float value = LogSums.hasNan(x, n) ? Float.NaN : 0;
    for (int i = 0; i < n; i++) Host.setFloat(y + 4L * i, value);
  }

  @Override
  public void softmaxGradient(Strided y, Strided grad, Strided dx) {
    gradient(y, grad, dx, VectorSoftmax::gradientRow);
  }

  /** The gradient of a row of n, by way of vectors of scratch at {@code tail}. */
  private interface RowGradient {
    void compute(long y, long g, long d, int n, long tail);
  }

  private static void gradient(Strided y, Strided grad, Strided dx, RowGradient row) {
    int columns = Math.toIntExact(y.size(1));
    long py = y.address();
    long pg = grad.address();
    long pd = dx.address();
    Workers.parallelRange(
        y.size(0),
        grain(columns),
        (from, to) -> {
          long tail = Tails.vectors(SCRATCH);
          for (long r = from; r < to; r++) {
            long o = 4 * r * columns;
            row.compute(py + o, pg + o, pd + o, columns, tail);
          }
        });
  }

  private static void gradientRow(long y, long g, long d, int n, long tail) {
    int whole = n & -LENGTH;
    int rest = n - whole;
    long scratch = tail + 3 * BYTES;
    float dot = whole > 0 ? SumLoops.dot(y, g, whole, scratch) : 0;
    if (rest > 0) {
      Tails.pad(y + 4L * whole, tail, rest, 0);
      Tails.pad(g + 4L * whole, tail + BYTES, rest, 0);
      dot += SumLoops.dot(tail, tail + BYTES, LENGTH, scratch);
      SoftmaxLoops.gradient(tail, tail + BYTES, tail, LENGTH, dot);
    }
    if (whole > 0) SoftmaxLoops.gradient(y, g, d, whole, dot);
    if (rest > 0) Tails.copy(tail, d + 4L * whole, rest);
  }

  @Override
  public void logSumExp(Strided x, Strided out) {
    int columns = Math.toIntExact(x.size(1));
    long px = x.address();
    long po = out.address();
    Workers.parallelRange(
        x.size(0),
        grain(columns),
        (from, to) -> {
          long sums = LogSums.start();
          for (long r = from; r < to; r++) {
            long row = px + 4 * r * columns;
            LogSums.row(row, columns, r + 1 < to ? row + 4L * columns : 0, sums);
            Host.setFloat(po + 4 * r, (float) (LogSums.max(sums) + LogSums.log(sums)));
          }
        });
  }

  @Override
  public void logSoftmax(Strided x, Strided out) {
    int columns = Math.toIntExact(x.size(1));
    long px = x.address();
    long po = out.address();
    Workers.parallelRange(
        x.size(0),
        grain(columns),
        (from, to) -> {
          long sums = LogSums.start();
          for (long r = from; r < to; r++) {
            long o = 4 * r * columns;
            LogSums.row(px + o, columns, r + 1 < to ? px + o + 4L * columns : 0, sums);
            logRow(px + o, po + o, columns, sums);
          }
        });
  }

  private static void logRow(long x, long y, int n, long sums) {
    int whole = n & -LENGTH;
    float max = LogSums.max(sums);
    if (max == Float.NEGATIVE_INFINITY || Float.isNaN(max)) {
      if (x != y) Moves.copy(x, y, 4L * n);
      return;
    }
    float log = (float) LogSums.log(sums);
    if (Float.isNaN(log)) {
      for (int i = 0; i < n; i++) {
        float value = Host.getFloat(x + 4L * i);
        Host.setFloat(y + 4L * i, value == Float.NEGATIVE_INFINITY ? value : Float.NaN);
      }
      return;
    }
    if (whole > 0) SoftmaxLoops.subtract(x, y, whole, max, log);
    if (whole == n) return;
    long tail = sums;
    Tails.copy(x + 4L * whole, tail, n - whole);
    SoftmaxLoops.subtract(tail, tail, LENGTH, max, log);
    Tails.copy(tail, y + 4L * whole, n - whole);
  }

  @Override
  public void logSoftmaxGradient(Strided y, Strided grad, Strided dx) {
    gradient(y, grad, dx, VectorSoftmax::logGradientRow);
  }

  private static void logGradientRow(long y, long g, long d, int n, long tail) {
    int whole = n & -LENGTH;
    int rest = n - whole;
    long scratch = tail + 3 * BYTES;
    float sum = whole > 0 ? SumLoops.sum(g, whole, scratch) : 0;
    if (rest > 0) {
      Tails.pad(y + 4L * whole, tail, rest, 0);
      Tails.pad(g + 4L * whole, tail + BYTES, rest, 0);
      sum += SumLoops.sum(tail + BYTES, LENGTH, scratch);
      SoftmaxLoops.logGradient(tail, tail + BYTES, tail, LENGTH, sum);
    }
    if (whole > 0) SoftmaxLoops.logGradient(y, g, d, whole, sum);
    if (rest > 0) Tails.copy(tail, d + 4L * whole, rest);
  }
}
