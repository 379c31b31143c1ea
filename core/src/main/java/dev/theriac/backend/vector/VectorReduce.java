package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.ReduceKernels;
import dev.theriac.backend.ReduceKind;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;

/**
 * Reductions along rows and down columns; other layouts go to the scalar kernels. The order of a
 * sum depends on shape and strides alone.
 */
final class VectorReduce implements ReduceKernels {
  private static final long GRAIN = 1 << 15;

  /** Rows that are summed before they join the total: two levels lose fewer bits than one. */
  private static final int BLOCK = 64;

  private final ReduceKernels scalar;

  VectorReduce(ReduceKernels scalar) {
    this.scalar = scalar;
  }

  @Override
  public void reduce(ReduceKind kind, Strided x, int kept, Strided out) {
    long columns = 1;
    Layout layout = x.layout();
    for (int d = kept; d < layout.rank(); d++) columns *= layout.size(d);
    if (columns == 0 || columns > Integer.MAX_VALUE || x.size() == 0) {
      scalar.reduce(kind, x, kept, out);
      return;
    }
    float scale = kind == ReduceKind.MEAN ? (float) (1.0 / columns) : 1;
    long rows = out.size();
    boolean sum = kind == ReduceKind.SUM || kind == ReduceKind.MEAN;
    if (x.isContiguous()) {
      if (sum) rows(x.address(), rows, (int) columns, scale, out.address());
      else extremeRows(kind, x.address(), rows, (int) columns, out.address());
      return;
    }
    // One step between kept elements of 1, and one between reduced elements: columns of a matrix.
    long step = evenStep(layout, kept, layout.rank());
    if (evenStep(layout, 0, kept) == 1 && step > 0 && rows <= Integer.MAX_VALUE) {
      if (sum) columns(x.address(), (int) rows, (int) columns, 4 * step, scale, out.address());
      else extremeColumns(kind, x.address(), (int) rows, (int) columns, 4 * step, out.address());
    } else {
      scalar.reduce(kind, x, kept, out);
    }
  }

  /**
   * The distance between neighbours when dimensions [from, to) are walked in row-major order, or 0
   * when there is not one distance; 1 for a single element.
   */
  private static long evenStep(Layout layout, int from, int to) {
    long step = 0;
    long extent = 1;
    for (int d = to - 1; d >= from; d--) {
      if (layout.size(d) == 1) continue;
      if (extent == 1) step = layout.stride(d);
      else if (layout.stride(d) != step * extent) return 0;
      extent *= layout.size(d);
    }
    return extent == 1 ? 1 : step;
  }

  private static void rows(long x, long rows, int columns, float scale, long out) {
    long grain = Math.max(1, GRAIN / Math.max(LENGTH, columns));
    if (rows == 1 && columns > GRAIN) {
      longRow(x, columns, scale, out);
      return;
    }
    Workers.parallelRange(
        rows,
        grain,
        (from, to) -> {
          long tail = Tails.vectors(2);
          for (long r = from; r < to; r++) {
            Host.setFloat(out + 4 * r, scale * sum(x + 4 * r * columns, columns, tail));
          }
        });
  }

  /** One row in pieces, whose sums are added in float64. */
  private static void longRow(long x, int columns, float scale, long out) {
    long pieces = Workspace.get(Workspace.OPERATION, 4 * ((columns - 1) / GRAIN + 1));
    Workers.parallelRange(
        columns,
        GRAIN,
        (from, to) ->
            Host.setFloat(
                pieces + 4 * (from / GRAIN),
                sum(x + 4 * from, (int) (to - from), Tails.vectors(2))));
    double sum = 0;
    for (long i = 0; i * GRAIN < columns; i++) sum += Host.getFloat(pieces + 4 * i);
    Host.setFloat(out, (float) (scale * sum));
  }

  private static float sum(long x, int n, long tail) {
    int whole = n & -LENGTH;
    double sum = 0;
    // Blocks of 4096: the accumulators of longer ones would have lost low bits.
    for (int i = 0; i < whole; i += 4096) {
      sum += SumLoops.sum(x + 4L * i, Math.min(4096, whole - i), tail + BYTES);
    }
    if (whole == n) return (float) sum;
    Tails.pad(x + 4L * whole, tail, n - whole, 0);
    return (float) (sum + SumLoops.sum(tail, LENGTH, tail + BYTES));
  }

  /** out[c] = sum over n of x[n, c]; rows of the matrix are {@code step} bytes apart. */
  private static void columns(long x, int width, int n, long step, float scale, long out) {
    int perTask = (int) Math.max(4L * LENGTH, GRAIN / n & -LENGTH);
    Workers.parallelRange(
        width,
        perTask,
        (from, to) -> {
          int w = (int) (to - from);
          int whole = w & -LENGTH;
          int padded = w + LENGTH - 1 & -LENGTH;
          long total = Workspace.get(Workspace.TASK, 8L * padded);
          long block = total + 4L * padded;
          Moves.fill(total, padded, 0);
          for (int r = 0; r < n; r += BLOCK) {
            Moves.fill(block, padded, 0);
            for (int i = r; i < Math.min(n, r + BLOCK); i++) {
              long row = x + i * step + 4 * from;
              BinaryLoops.add(block, row, block, whole);
              for (int c = whole; c < w; c++) {
                long at = block + 4L * c;
                Host.setFloat(at, Host.getFloat(at) + Host.getFloat(row + 4L * c));
              }
            }
            BinaryLoops.add(total, block, total, padded);
          }
          SoftmaxLoops.scale(total, total, padded, scale);
          Moves.copy(total, out + 4 * from, 4L * w);
        });
  }

  private static void extremeRows(ReduceKind kind, long x, long rows, int columns, long out) {
    int flip = kind == ReduceKind.MAX ? 0 : -1;
    if (rows == 1 && columns > GRAIN) {
      long count = (columns - 1) / GRAIN + 1;
      long pieces = Workspace.get(Workspace.OPERATION, 4 * count);
      Workers.parallelRange(
          columns,
          GRAIN,
          (from, to) ->
              Host.setFloat(
                  pieces + 4 * (from / GRAIN),
                  ExtremeLoops.extreme(x + 4 * from, (int) (to - from), flip, Tails.vectors(2))));
      Host.setFloat(out, ExtremeLoops.extreme(pieces, (int) count, flip, Tails.vectors(2)));
      return;
    }
    Workers.parallelRange(
        rows,
        Math.max(1, GRAIN / Math.max(LENGTH, columns)),
        (from, to) -> {
          long scratch = Tails.vectors(2);
          for (long r = from; r < to; r++) {
            long row = x + 4 * r * columns;
            Host.setFloat(out + 4 * r, ExtremeLoops.extreme(row, columns, flip, scratch));
          }
        });
  }

  /** out[c] = extreme over n of x[n, c]; rows of the matrix are {@code step} bytes apart. */
  private static void extremeColumns(
      ReduceKind kind, long x, int width, int n, long step, long out) {
    BinaryKind pair = kind == ReduceKind.MAX ? BinaryKind.MAXIMUM : BinaryKind.MINIMUM;
    Workers.parallelRange(
        width,
        (int) Math.max(4L * LENGTH, GRAIN / n & -LENGTH),
        (from, to) -> {
          long best = out + 4 * from;
          int w = (int) (to - from);
          Moves.copy(x + 4 * from, best, 4L * w);
          for (int r = 1; r < n; r++) {
            PairRanges.zip(pair, best, x + r * step + 4 * from, best, w);
          }
        });
  }

  @Override
  public void argmax(Strided x, Strided out) {
    long columns = x.size(1);
    if (x.stride(1) != 1 && columns != 1 || columns > Integer.MAX_VALUE) {
      scalar.argmax(x, out);
      return;
    }
    long px = x.address();
    long step = 4 * x.stride(0);
    long po = out.address();
    Workers.parallelRange(
        x.size(0),
        Math.max(1, GRAIN / Math.max(LENGTH, columns)),
        (from, to) -> {
          for (long r = from; r < to; r++) {
            Host.setLong(po + 8 * r, ExtremeLoops.argmax(px + r * step, (int) columns));
          }
        });
  }
}
