package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.NormKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/**
 * Norms row by row, the variance in a second pass over the row in the first-level cache. The
 * gradients of the parameters are summed per task and the tasks' sums in order. RMSNorm is
 * LayerNorm with a mean of 0 and no shift.
 */
final class VectorNorm implements NormKernels {
  private static final long GRAIN = 1 << 15;

  /** Bound on the tasks of a gradient, since each keeps sums as large as the parameters. */
  private static final int GRADIENT_TASKS = 32;

  private static long grain(long columns) {
    return Math.max(1, GRAIN / Math.max(LENGTH, columns));
  }

  @Override
  public void layerNorm(
      Strided x, Strided w, Strided b, float eps, Strided y, Strided mean, Strided rstd) {
    forward(x, w, b, eps, y, mean, rstd);
  }

  @Override
  public void rmsNorm(Strided x, Strided w, float eps, Strided y, Strided rstd) {
    forward(x, w, null, eps, y, null, rstd);
  }

  private static void forward(
      Strided x, Strided w, Strided b, float eps, Strided y, Strided mean, Strided rstd) {
    int columns = Math.toIntExact(x.size(1));
    long px = x.address();
    long pw = w.address();
    long pb = b == null ? 0 : b.address();
    long py = y.address();
    long pm = mean == null ? 0 : mean.address();
    long pr = rstd.address();
    Workers.parallelRange(
        x.size(0),
        grain(columns),
        (from, to) -> {
          long tail = Tails.vectors(4);
          for (long n = from; n < to; n++) {
            long o = 4 * n * columns;
            row(px + o, pw, pb, py + o, columns, eps, pm == 0 ? 0 : pm + 4 * n, pr + 4 * n, tail);
          }
        });
  }

  private static void row(
      long x, long w, long b, long y, int n, float eps, long mean, long rstd, long tail) {
    int whole = n & -LENGTH;
    int rest = n - whole;
    long last = 4L * whole;
    long scratch = tail + 3 * BYTES;
    float center = 0;
    if (mean != 0) {
      float sum = whole > 0 ? SumLoops.sum(x, whole, scratch) : 0;
      if (rest > 0) {
        Tails.pad(x + last, tail, rest, 0);
        sum += SumLoops.sum(tail, LENGTH, scratch);
      }
      center = sum / n;
      Host.setFloat(mean, center);
    }
    float squares = whole > 0 ? SumLoops.squares(x, whole, center, scratch) : 0;
    if (rest > 0) {
      Tails.pad(x + last, tail, rest, center);
      squares += SumLoops.squares(tail, LENGTH, center, scratch);
    }
    float scale = (float) (1 / Math.sqrt((double) squares / n + eps));
    Host.setFloat(rstd, scale);
    if (whole > 0) apply(x, w, b, y, whole, center, scale);
    if (rest == 0) return;
    Tails.copy(w + last, tail + BYTES, rest);
    if (b != 0) Tails.copy(b + last, tail + 2 * BYTES, rest);
    apply(tail, tail + BYTES, b == 0 ? 0 : tail + 2 * BYTES, tail, LENGTH, center, scale);
    Tails.copy(tail, y + last, rest);
  }

  private static void apply(long x, long w, long b, long y, int n, float mean, float rstd) {
    if (b == 0) NormLoops.scaled(x, w, y, n, rstd);
    else NormLoops.shifted(x, w, b, y, n, mean, rstd);
  }

  @Override
  public void layerNormGradient(
      Strided x,
      Strided w,
      Strided mean,
      Strided rstd,
      Strided grad,
      Strided dx,
      Strided dw,
      Strided db) {
    gradient(x, w, mean, rstd, grad, dx, dw, db);
  }

  @Override
  public void rmsNormGradient(
      Strided x, Strided w, Strided rstd, Strided grad, Strided dx, Strided dw) {
    gradient(x, w, null, rstd, grad, dx, dw, null);
  }

  private static void gradient(
      Strided x,
      Strided w,
      Strided mean,
      Strided rstd,
      Strided grad,
      Strided dx,
      Strided dw,
      Strided db) {
    long rows = x.size(0);
    int columns = Math.toIntExact(x.size(1));
    int padded = columns + LENGTH - 1 & -LENGTH;
    long perTask = Math.max(grain(columns), (rows + GRADIENT_TASKS - 1) / GRADIENT_TASKS);
    int tasks = (int) ((rows + perTask - 1) / perTask);
    long px = x.address();
    long pw = w.address();
    long pm = mean == null ? 0 : mean.address();
    long pr = rstd.address();
    long pg = grad.address();
    long pd = dx == null ? 0 : dx.address();
    long sums = Workspace.get(Workspace.OPERATION, 8L * padded * Math.max(1, tasks));
    if (tasks == 0) Moves.fill(sums, 2 * padded, 0);
    Workers.parallelFor(
        tasks,
        task -> {
          long sumsW = sums + 8L * padded * task;
          long sumsB = sumsW + 4L * padded;
          Moves.fill(sumsW, 2 * padded, 0);
          long tail = Tails.vectors(5);
          long to = Math.min(rows, (task + 1) * perTask);
          for (long n = task * perTask; n < to; n++) {
            long o = 4 * n * columns;
            float center = pm == 0 ? 0 : Host.getFloat(pm + 4 * n);
            float scale = Host.getFloat(pr + 4 * n);
            gradientRow(
                px + o,
                pw,
                pg + o,
                pd == 0 ? 0 : pd + o,
                sumsW,
                sumsB,
                columns,
                pm != 0,
                center,
                scale,
                tail);
          }
        });
    for (int t = 1; t < tasks; t++) {
      BinaryLoops.add(sums, sums + 8L * padded * t, sums, 2 * padded);
    }
    if (dw != null) Moves.copy(sums, dw.address(), 4L * columns);
    if (db != null) Moves.copy(sums + 4L * padded, db.address(), 4L * columns);
  }

  private static void gradientRow(
      long x,
      long w,
      long g,
      long d,
      long dw,
      long db,
      int n,
      boolean centred,
      float mean,
      float rstd,
      long tail) {
    int whole = n & -LENGTH;
    int rest = n - whole;
    long last = 4L * whole;
    long scratch = tail + 3 * BYTES;
    float sum = 0;
    float product = 0;
    if (whole > 0) {
      NormLoops.gradientSums(x, w, g, dw, db, whole, mean, rstd, scratch);
      sum = Tails.sum(scratch);
      product = Tails.sum(scratch + BYTES);
    }
    if (rest > 0) {
      Tails.pad(x + last, tail, rest, 0);
      Tails.pad(w + last, tail + BYTES, rest, 0);
      Tails.pad(g + last, tail + 2 * BYTES, rest, 0);
      NormLoops.gradientSums(
          tail, tail + BYTES, tail + 2 * BYTES, dw + last, db + last, LENGTH, mean, rstd, scratch);
      sum += Tails.sum(scratch);
      product += Tails.sum(scratch + BYTES);
    }
    if (d == 0) return;
    float meanSum = centred ? sum / n : 0;
    float meanProduct = product / n;
    if (whole > 0) NormLoops.gradient(x, w, g, d, whole, mean, rstd, meanSum, meanProduct);
    if (rest == 0) return;
    NormLoops.gradient(
        tail, tail + BYTES, tail + 2 * BYTES, tail, LENGTH, mean, rstd, meanSum, meanProduct);
    Tails.copy(tail, d + last, rest);
  }
}
