package dev.theriac.backend.scalar;

import dev.theriac.backend.IndexKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import java.lang.foreign.MemorySegment;

/** Rows are gathered by task ranges of rows and scattered by ranges of columns: one owner each. */
final class ScalarIndex implements IndexKernels {
  private static final long GRAIN = 1 << 14;

  /** The total order of top-k: descending, NaN last; equal values keep their order. */
  static boolean before(float a, float b) {
    return a > b || Float.isNaN(b) && !Float.isNaN(a);
  }

  private static long grain(long perTask) {
    return Math.max(1, GRAIN / Math.max(1, perTask));
  }

  @Override
  public void gatherRows(Strided table, Strided ids, Strided out) {
    long bytes = table.size(1) * table.dtype().bytes();
    long pt = table.address();
    long pi = ids.address();
    long po = out.address();
    Workers.parallelRange(
        ids.size(),
        grain(table.size(1)),
        (from, to) -> {
          for (long n = from; n < to; n++) {
            long source = pt + Host.getLong(pi + 8 * n) * bytes;
            MemorySegment.copy(Host.ALL, source, Host.ALL, po + n * bytes, bytes);
          }
        });
  }

  @Override
  public void scatterRows(Strided x, Strided ids, Strided out) {
    long rows = x.size(0);
    long columns = x.size(1);
    long px = x.address();
    long pi = ids.address();
    long po = out.address();
    Workers.parallelRange(
        columns,
        grain(rows),
        (from, to) -> {
          for (long n = 0; n < rows; n++) {
            long source = px + 4 * n * columns;
            long target = po + 4 * Host.getLong(pi + 8 * n) * columns;
            for (long d = 4 * from; d < 4 * to; d += 4) {
              Host.setFloat(target + d, Host.getFloat(target + d) + Host.getFloat(source + d));
            }
          }
        });
  }

  @Override
  public void gatherColumns(Strided x, Strided ids, Strided out) {
    long columns = x.size(1);
    long k = ids.size(1);
    long px = x.address();
    long pi = ids.address();
    long po = out.address();
    Workers.parallelRange(
        x.size(0),
        grain(k),
        (from, to) -> {
          for (long n = from; n < to; n++) {
            for (long j = n * k; j < n * k + k; j++) {
              long id = Host.getLong(pi + 8 * j);
              Host.setFloat(po + 4 * j, Host.getFloat(px + 4 * (n * columns + id)));
            }
          }
        });
  }

  @Override
  public void scatterColumns(Strided x, Strided ids, Strided out) {
    long columns = out.size(1);
    long k = ids.size(1);
    long px = x.address();
    long pi = ids.address();
    long po = out.address();
    Workers.parallelRange(
        x.size(0),
        grain(k),
        (from, to) -> {
          for (long n = from; n < to; n++) {
            for (long j = n * k; j < n * k + k; j++) {
              long target = po + 4 * (n * columns + Host.getLong(pi + 8 * j));
              Host.setFloat(target, Host.getFloat(target) + Host.getFloat(px + 4 * j));
            }
          }
        });
  }

  @Override
  public void topK(Strided x, int k, Strided values, Strided indices) {
    long columns = x.size(1);
    long px = x.address();
    long pv = values.address();
    long pi = indices.address();
    Workers.parallelRange(
        x.size(0),
        grain(columns * k),
        (from, to) -> {
          for (long n = from; n < to; n++) {
            row(px + 4 * n * columns, columns, k, pv + 4 * n * k, pi + 8 * n * k);
          }
        });
  }

  /** Insertion into the sorted best so far; a later equal value does not pass an earlier one. */
  private static void row(long x, long columns, int k, long values, long indices) {
    int count = 0;
    for (long j = 0; j < columns; j++) {
      float value = Host.getFloat(x + 4 * j);
      int slot = count;
      while (slot > 0 && before(value, Host.getFloat(values + 4L * (slot - 1)))) slot--;
      if (slot == k) continue;
      if (count < k) count++;
      for (int s = count - 1; s > slot; s--) {
        Host.setFloat(values + 4L * s, Host.getFloat(values + 4L * (s - 1)));
        Host.setLong(indices + 8L * s, Host.getLong(indices + 8L * (s - 1)));
      }
      Host.setFloat(values + 4L * slot, value);
      Host.setLong(indices + 8L * slot, j);
    }
  }
}
