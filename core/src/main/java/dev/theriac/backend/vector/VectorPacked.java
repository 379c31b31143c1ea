package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.QuantisedKernels;
import dev.theriac.backend.QuantisedKernels.Weights;
import dev.theriac.backend.Workers;
import dev.theriac.backend.vector.GemmPack.Element;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Strided;
import java.lang.foreign.Arena;
import java.lang.ref.Reference;
import java.util.function.IntConsumer;

/**
 * Products with weights in BF16 or F32 that lie side by side by 64 rows ({@link
 * QuantisedFormat#BF16}), called packed. Up to {@link #MOST} rows stream through {@link
 * PackedTiles}; more go to {@link GemmF32}, which finds its panels almost ready.
 *
 * <p><b>Bits.</b> Those of {@link GemmF32} for the matrix that was packed: one chain of fused
 * multiply-adds for each output, from its bias or 0, in the order of k.
 */
final class VectorPacked {

  /**
   * Rows up to which tiles are used: they are at least as fast as the matrix product as long as a
   * cache holds x, which they read for every slice. One of a single row is no match for it.
   */
  static final int MOST = JitDirectives.LARGE_KERNELS ? 128 : 4;

  private static final int GROUP = QuantisedFormat.GROUP;

  /** Outputs of a slice: what a tile computes at a time, a whole group or a part of one. */
  static final int SLICE = 4 * LENGTH;

  private static final int SLICES = GROUP / SLICE;

  /** Bytes of weights below which the caller computes alone: waking others would cost more. */
  private static final long PARALLEL_FROM = 2 * Grain.of(Grain.WEIGHT_BYTE);

  private static final long SMALLEST_TASK = Math.min(512 << 10, Grain.of(Grain.WEIGHT_BYTE));
  private static final int TASKS = 48;

  /** Groups that a tile of a single row reads at once: tasks are multiples of so many. */
  private static final int STREAMS = 3;

  /** Where sums start without a bias. */
  private static final long ZEROS = Arena.global().allocate(4L * STREAMS * GROUP, 64).address();

  private VectorPacked() {}

  /** As {@link QuantisedKernels#linear}. */
  static void linear(Strided x, Weights w, Strided bias, Strided out) {
    int rows = VectorMatmul.size("rows", x.size(0));
    int outputs = VectorMatmul.size("columns", w.rows());
    int depth = VectorMatmul.size("terms", w.columns());
    if (rows == 0 || outputs == 0) return;
    boolean half = w.format() == QuantisedFormat.BF16;
    long groupBytes = w.format().groupBytes(depth);
    if (rows <= MOST && PackedWarmUp.ready(half, Math.min(rows, 4))) {
      stream(x, w, bias, out, rows, outputs, depth, half, groupBytes);
    } else {
      product(x, w, bias, out, rows, outputs, depth, half, groupBytes);
    }
    Reference.reachabilityFence(x);
    Reference.reachabilityFence(w);
    Reference.reachabilityFence(bias);
    Reference.reachabilityFence(out);
  }

  private static void product(
      Strided x,
      Weights w,
      Strided bias,
      Strided out,
      int rows,
      int outputs,
      int depth,
      boolean half,
      long groupBytes) {
    Element type = half ? Element.BF16 : Element.F32;
    GemmF32.Shape shape =
        new GemmF32.Shape(
            outputs,
            4L * depth,
            4,
            type,
            GROUP * type.bytes,
            type.bytes,
            4L * outputs,
            false,
            false,
            groupBytes);
    long shift = bias == null ? 0 : bias.address();
    GemmF32.run(new One(rows, depth, x.address(), w.address(), shift, out.address()), shape);
  }

  /** A single product. */
  private record One(int rows, int depth, long left, long right, long shift, long out)
      implements GemmGroups {
    @Override
    public int count() {
      return 1;
    }

    @Override
    public int rows(int g) {
      return rows;
    }

    @Override
    public int depth(int g) {
      return depth;
    }

    @Override
    public long a(int g) {
      return left;
    }

    @Override
    public long b(int g) {
      return right;
    }

    @Override
    public long bias(int g) {
      return shift;
    }

    @Override
    public long c(int g) {
      return out;
    }
  }

  private static void stream(
      Strided x,
      Weights w,
      Strided bias,
      Strided out,
      int rows,
      int outputs,
      int depth,
      boolean half,
      long groupBytes) {
    int groups = (outputs + GROUP - 1) / GROUP;
    long bytes = groups * groupBytes;
    long task = Math.max(bytes / TASKS, SMALLEST_TASK);
    int each = Math.clamp(task / Math.max(1, groupBytes), 1, groups);
    each = Math.min(groups, (each + STREAMS - 1) / STREAMS * STREAMS);
    Stream stream =
        new Stream(
            half,
            rows,
            outputs,
            depth,
            each,
            groupBytes,
            w.address(),
            bias == null ? 0 : bias.address(),
            x.address(),
            out.address());
    int tasks = (groups + each - 1) / each;
    if (bytes < PARALLEL_FROM) {
      for (int i = 0; i < tasks; i++) stream.accept(i);
    } else {
      Workers.parallelFor(tasks, stream);
    }
  }

  /** A task is some groups of outputs for all rows. */
  private record Stream(
      boolean half,
      int rows,
      int outputs,
      int depth,
      int each,
      long groupBytes,
      long w,
      long bias,
      long x,
      long out)
      implements IntConsumer {

    @Override
    public void accept(int task) {
      int first = task * each * GROUP;
      int end = (int) Math.min(outputs, (long) first + each * GROUP);
      int whole = end / GROUP * GROUP;
      if (first < whole) {
        long init = bias == 0 ? ZEROS : bias + 4L * first;
        slices(first, whole, init, bias != 0, out + 4L * first, 4L * outputs);
      }
      if (whole < end) overhang(Math.max(first, whole), end);
    }

    /** The last group, where it overhangs the matrix, goes by way of memory of its own. */
    private void overhang(int column, int end) {
      long start = Workspace.get(Workspace.TASK, 4L * GROUP * (1 + rows));
      for (int i = 0; i < GROUP; i++) {
        float value = bias == 0 || column + i >= end ? 0 : Host.getFloat(bias + 4L * (column + i));
        Host.setFloat(start + 4L * i, value);
      }
      long sums = start + 4L * GROUP;
      slices(column, column + GROUP, start, true, sums, 4L * GROUP);
      for (int r = 0; r < rows; r++) {
        long target = out + 4L * ((long) r * outputs + column);
        GemmPack.copy(sums + 4L * GROUP * r, target, end - column);
      }
    }

    /** Whole groups; where there is no bias, all start from the same zeros. */
    private void slices(int first, int end, long init, boolean biased, long to, long toStride) {
      // More than four rows take the slices from a cache again.
      int tall = PackedWarmUp.tileRows(Math.min(rows, 4));
      int wide = PackedWarmUp.streams(tall);
      int slices = (end - first) / SLICE;
      for (int s = 0; s < slices; s += wide) {
        long w0 = slice(first, s);
        // A stream that is missing at the end repeats the first.
        int d1 = s + 1 < slices ? 1 : 0;
        int d2 = s + 2 < slices ? 2 : 0;
        long w1 = slice(first, s + d1);
        long w2 = slice(first, s + d2);
        long at = 4L * SLICE * s;
        long start = biased ? init + at : init;
        for (int next = 0; next < rows; next += tall) {
          // The last tile starts higher up: some of its rows are computed twice.
          int r = Math.max(0, Math.min(next, rows - tall));
          PackedWarmUp.tile(
              half,
              tall,
              w0,
              w1,
              w2,
              depth,
              x + 4L * r * depth,
              4L * depth,
              Math.min(tall, rows) - 1,
              start,
              to + at + r * toStride,
              toStride,
              4L * SLICE * d1,
              4L * SLICE * d2);
        }
      }
    }

    private long slice(int first, int s) {
      int group = first / GROUP + s / SLICES;
      return w + group * groupBytes + (half ? 2L : 4L) * SLICE * (s % SLICES);
    }
  }
}
