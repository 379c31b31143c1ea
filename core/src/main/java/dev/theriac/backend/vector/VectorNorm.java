package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.NormKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Strided;

/**
 * Norms row by row; RMSNorm is LayerNorm with a mean of 0 and no shift. The gradients of the
 * parameters are summed per task and the tasks' sums in order.
 */
final class VectorNorm implements NormKernels {
  private static final long GRAIN = Grain.of(Grain.NORM);

  /** Elements of a task of a gradient: it is the order of sums and must not change. */
  private static final long SUMS_GRAIN = 1 << 16;

  /** Bound on the tasks of a gradient, since each keeps sums as large as the parameters. */
  private static final int GRADIENT_TASKS = 32;

  @Override
  public void layerNorm(
      Strided x, Strided w, Strided b, float eps, Strided y, Strided mean, Strided rstd) {
    forward(x, null, w, b, eps, x, y, mean, rstd);
  }

  @Override
  public void rmsNorm(Strided x, Strided w, float eps, Strided y, Strided rstd) {
    forward(x, null, w, null, eps, x, y, null, rstd);
  }

  @Override
  public void addLayerNorm(
      Strided x,
      Strided r,
      Strided w,
      Strided b,
      float eps,
      Strided sum,
      Strided y,
      Strided mean,
      Strided rstd) {
    forward(x, r, w, b, eps, sum, y, mean, rstd);
  }

  @Override
  public void addRmsNorm(
      Strided x, Strided r, Strided w, float eps, Strided sum, Strided y, Strided rstd) {
    forward(x, r, w, null, eps, sum, y, null, rstd);
  }

  private static void forward(
      Strided x,
      Strided r,
      Strided w,
      Strided b,
      float eps,
      Strided sum,
      Strided y,
      Strided mean,
      Strided rstd) {
    NormForward rows =
        new NormForward(
            Math.toIntExact(x.size(1)),
            x.address(),
            address(r),
            w.address(),
            address(b),
            eps,
            sum.address(),
            y.address(),
            address(mean),
            rstd.address());
    Workers.parallelRange(x.size(0), Grain.rows(GRAIN, x.size(1)), rows::run);
  }

  private static long address(Strided x) {
    return x == null ? 0 : x.address();
  }

  @Override
  public void layerNormGradient(
      Strided x,
      Strided w,
      Strided mean,
      Strided rstd,
      Strided grad,
      Strided dx,
      boolean add,
      Strided dw,
      Strided db) {
    gradient(x, w, mean, rstd, grad, dx, add, dw, db);
  }

  @Override
  public void rmsNormGradient(
      Strided x, Strided w, Strided rstd, Strided grad, Strided dx, boolean add, Strided dw) {
    gradient(x, w, null, rstd, grad, dx, add, dw, null);
  }

  private static void gradient(
      Strided x,
      Strided w,
      Strided mean,
      Strided rstd,
      Strided grad,
      Strided dx,
      boolean add,
      Strided dw,
      Strided db) {
    long rows = x.size(0);
    int columns = Math.toIntExact(x.size(1));
    int padded = columns + LENGTH - 1 & -LENGTH;
    long perTask =
        Math.max(Grain.rows(SUMS_GRAIN, columns), (rows + GRADIENT_TASKS - 1) / GRADIENT_TASKS);
    int tasks = (int) ((rows + perTask - 1) / perTask);
    long sums = Workspace.get(Workspace.OPERATION, 8L * padded * Math.max(1, tasks));
    if (tasks == 0) Moves.fill(sums, 2 * padded, 0);
    NormGradient part =
        new NormGradient(
            columns,
            padded,
            x.address(),
            w.address(),
            address(mean),
            rstd.address(),
            grad.address(),
            address(dx),
            add,
            sums);
    Workers.parallelFor(
        tasks, task -> part.run(task, task * perTask, Math.min(rows, (task + 1) * perTask)));
    for (int t = 1; t < tasks; t++) {
      BinaryLoops.add(sums, sums + 8L * padded * t, sums, 2 * padded);
    }
    if (dw != null) Moves.copy(sums, dw.address(), 4L * columns);
    if (db != null) Moves.copy(sums + 4L * padded, db.address(), 4L * columns);
  }
}
