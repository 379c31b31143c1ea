package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.IndexKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/** Rows are moved whole; columns and top-k are the scalar kernels. */
final class VectorIndex implements IndexKernels {
  private static final long GRAIN = Grain.of(Grain.MOVE);

  /** Elements of a task that scatters, if there are few. */
  private static final long SCATTER_GRAIN = 1 << 15;

  /** Bound on the tasks of a scatter, since each reads every id. */
  private static final long SCATTER_TASKS = 16;

  private final IndexKernels scalar;

  VectorIndex(IndexKernels scalar) {
    this.scalar = scalar;
  }

  @Override
  public void gatherRows(Strided table, Strided ids, Strided out) {
    long bytes = table.size(1) * table.dtype().bytes();
    long pt = table.address();
    long pi = ids.address();
    long po = out.address();
    Workers.parallelRange(
        ids.size(),
        Math.max(1, 4 * GRAIN / Math.max(64, bytes)),
        (from, to) -> {
          for (long n = from; n < to; n++) {
            Moves.copy(pt + Host.getLong(pi + 8 * n) * bytes, po + n * bytes, bytes);
          }
        });
  }

  /** A task owns a range of target rows and takes its sources in ascending order. */
  @Override
  public void scatterRows(Strided x, Strided ids, Strided out) {
    long rows = x.size(0);
    int columns = Math.toIntExact(x.size(1));
    long targets = out.size(0);
    if (rows == 0 || columns == 0) return;
    long px = x.address();
    long pi = ids.address();
    long po = out.address();
    long tasks = Math.clamp(x.size() / SCATTER_GRAIN, 1, SCATTER_TASKS);
    Workers.parallelRange(
        targets,
        (targets + tasks - 1) / tasks,
        (from, to) -> {
          for (long n = 0; n < rows; n++) {
            long id = Host.getLong(pi + 8 * n);
            if (id >= from && id < to) add(px + 4 * n * columns, po + 4 * id * columns, columns);
          }
        });
  }

  private static void add(long x, long y, int n) {
    int whole = n & -LENGTH;
    BinaryLoops.add(x, y, y, whole);
    for (int i = whole; i < n; i++) {
      long at = y + 4L * i;
      Host.setFloat(at, Host.getFloat(at) + Host.getFloat(x + 4L * i));
    }
  }

  @Override
  public void gatherColumns(Strided x, Strided ids, Strided out) {
    scalar.gatherColumns(x, ids, out);
  }

  @Override
  public void scatterColumns(Strided x, Strided ids, Strided out) {
    scalar.scatterColumns(x, ids, out);
  }

  @Override
  public void topK(Strided x, int k, Strided values, Strided indices) {
    scalar.topK(x, k, values, indices);
  }
}
