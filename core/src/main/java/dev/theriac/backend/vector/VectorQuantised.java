package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.QuantisedKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Strided;
import java.lang.foreign.Arena;
import java.lang.ref.Reference;
import java.util.function.IntConsumer;

/**
 * Products with quantised weights. Few rows stream through the weights, {@link QuantisedTiles}
 * holding the sums of some rows and outputs in registers; for many rows blocks of outputs are
 * dequantised into a buffer that the last-level cache holds, and multiplied by {@link GemmF32}.
 *
 * <p><b>Bits.</b> Either way every output is the one chain of fused multiply-adds in the order of k
 * that {@link GemmF32} promises, on weights that F32 holds exactly.
 */
final class VectorQuantised implements QuantisedKernels {

  /** From this many rows on the weights are dequantised first. */
  static final int MANY = 13;

  /** Below this many multiply-adds the caller computes alone. */
  private static final double PARALLEL_FROM = 100_000;

  /** Multiply-adds that take as long as to widen, scale and store a weight. */
  private static final int DEQUANTISED = 4;

  /** Bytes of dequantised weights at a time. */
  private static final long BUFFER = 4L << 20;

  private static final int GROUP = QuantisedFormat.GROUP;

  /** Where the sums of a group start without a bias. */
  private static final long ZEROS = Arena.global().allocate(4L * GROUP, 64).address();

  private static final int BLOCK = QuantisedFormat.BLOCK;

  private final QuantisedKernels scalar;

  VectorQuantised(QuantisedKernels scalar) {
    this.scalar = scalar;
  }

  @Override
  public void quantise(Strided values, Weights to) {
    scalar.quantise(values, to);
  }

  @Override
  public void dequantise(Weights from, Strided out) {
    scalar.dequantise(from, out);
  }

  @Override
  public void linear(Strided x, Weights w, Strided bias, Strided out) {
    int rows = VectorMatmul.size("rows", x.size(0));
    int outputs = VectorMatmul.size("columns", w.rows());
    int depth = VectorMatmul.size("terms", w.columns());
    if (rows == 0 || outputs == 0) return;
    if (rows < MANY) {
      Stream stream = new Stream(x, w, bias, out, rows, outputs, depth);
      int groups = (outputs + GROUP - 1) / GROUP;
      if ((double) rows * outputs * depth < PARALLEL_FROM) {
        for (int g = 0; g < groups; g++) stream.accept(g);
      } else {
        Workers.parallelFor(groups, stream::accept);
      }
    } else {
      blocks(x, w, bias, out, rows, outputs, depth);
    }
    Reference.reachabilityFence(x);
    Reference.reachabilityFence(w);
    Reference.reachabilityFence(bias);
    Reference.reachabilityFence(out);
  }

  /** Few rows: a task is a group of 64 outputs. */
  private static final class Stream {
    private final QuantisedFormat format;
    private final int rows;
    private final int outputs;
    private final int blocks;
    private final long w;
    private final long groupBytes;
    private final long bias;
    private final long out;
    private final long x;
    private final long xStride;

    Stream(Strided x, Weights w, Strided bias, Strided out, int rows, int outputs, int depth) {
      format = w.format();
      this.rows = rows;
      this.outputs = outputs;
      blocks = (depth + BLOCK - 1) / BLOCK;
      this.w = w.address();
      groupBytes = format.groupBytes(depth);
      this.bias = bias == null ? 0 : bias.address();
      this.out = out.address();
      int padded = blocks * BLOCK;
      if (padded == depth) {
        this.x = x.address();
      } else {
        this.x = Workspace.get(Workspace.OPERATION, 4L * rows * padded);
        for (int r = 0; r < rows; r++) {
          long row = this.x + 4L * r * padded;
          GemmPack.copy(x.address() + 4L * r * depth, row, depth);
          // What fills up a block is -0: its products with zeros change no sum, not even one of -0.
          for (int k = depth; k < padded; k++) Host.setFloat(row + 4L * k, -0f);
        }
      }
      xStride = 4L * padded;
    }

    void accept(int group) {
      int column = group * GROUP;
      int width = Math.min(GROUP, outputs - column);
      long weights = w + group * groupBytes;
      long target = out + 4L * column;
      if (width == GROUP) {
        rows(weights, bias == 0 ? ZEROS : bias + 4L * column, target, 4L * outputs);
        return;
      }
      // A group that overhangs the matrix goes by way of a buffer.
      long start = Workspace.get(Workspace.TASK, 4L * GROUP * (1 + MANY));
      for (int i = 0; i < GROUP; i++) {
        float value = bias == 0 || i >= width ? 0 : Host.getFloat(bias + 4L * (column + i));
        Host.setFloat(start + 4L * i, value);
      }
      long sums = start + 4L * GROUP;
      rows(weights, start, sums, 4L * GROUP);
      for (int r = 0; r < rows; r++) {
        GemmPack.copy(sums + 4L * GROUP * r, target + 4L * outputs * r, width);
      }
    }

    /** All rows of one group: four at a time, which take the group from the cache again. */
    private void rows(long weights, long init, long to, long toStride) {
      for (int r = 0; r < rows; ) {
        int tall = rows - r >= 4 ? 4 : Math.min(rows - r, 2);
        while (tall > 1 && !QuantisedWarmUp.ready(format, tall)) tall /= 2;
        int wide = JitDirectives.LARGE_KERNELS ? 4 : 2;
        long in = x + r * xStride;
        long at = to + r * toStride;
        if (QuantisedWarmUp.ready(format, tall)) {
          for (int lane = 0; lane < GROUP; lane += wide * LENGTH) {
            long o = 4L * lane;
            tile(format, tall, wide, weights + o, blocks, in, xStride, init + o, at + o, toStride);
          }
        } else {
          QuantisedWarmUp.scalarTile(
              format, tall, weights, blocks, in, xStride, init, at, toStride);
        }
        r += tall;
      }
    }
  }

  /** One tile of {@link QuantisedTiles}; all its rows start from {@code init}. */
  static void tile(
      QuantisedFormat format,
      int tall,
      int wide,
      long w,
      int blocks,
      long x,
      long xStride,
      long init,
      long out,
      long outStride) {
    switch (format.bits() * 100 + tall * 10 + wide) {
      case 814 -> QuantisedTiles.int8x1x4(w, blocks, x, xStride, init, out, outStride);
      case 824 -> QuantisedTiles.int8x2x4(w, blocks, x, xStride, init, out, outStride);
      case 844 -> QuantisedTiles.int8x4x4(w, blocks, x, xStride, init, out, outStride);
      case 812 -> QuantisedTiles.int8x1x2(w, blocks, x, xStride, init, out, outStride);
      case 414 -> QuantisedTiles.int4x1x4(w, blocks, x, xStride, init, out, outStride);
      case 424 -> QuantisedTiles.int4x2x4(w, blocks, x, xStride, init, out, outStride);
      case 444 -> QuantisedTiles.int4x4x4(w, blocks, x, xStride, init, out, outStride);
      case 412 -> QuantisedTiles.int4x1x2(w, blocks, x, xStride, init, out, outStride);
      default -> throw new AssertionError(format + " " + tall + "x" + wide);
    }
  }

  /** Weights of a group, dequantised: row k of 64 outputs at {@code out + k * outStride}. */
  static void panel(QuantisedFormat format, long w, int blocks, long out, long outStride) {
    if (!QuantisedWarmUp.ready(format, 0)) {
      QuantisedWarmUp.scalarPanel(format, w, blocks, out, outStride);
      return;
    }
    int wide = JitDirectives.LARGE_KERNELS ? 4 : 2;
    for (int lane = 0; lane < GROUP; lane += wide * LENGTH) {
      vectorPanel(format, wide, w + 4L * lane, blocks, out + 4L * lane, outStride);
    }
  }

  static void vectorPanel(
      QuantisedFormat format, int wide, long w, int blocks, long out, long outStride) {
    switch (format.bits() * 10 + wide) {
      case 84 -> QuantisedTiles.int8xPanelx4(w, blocks, out, outStride);
      case 82 -> QuantisedTiles.int8xPanelx2(w, blocks, out, outStride);
      case 44 -> QuantisedTiles.int4xPanelx4(w, blocks, out, outStride);
      case 42 -> QuantisedTiles.int4xPanelx2(w, blocks, out, outStride);
      default -> throw new AssertionError(format + " x " + wide);
    }
  }

  /** Many rows: some groups of outputs at a time. */
  private static void blocks(
      Strided x, Weights w, Strided bias, Strided out, int rows, int outputs, int depth) {
    QuantisedFormat format = w.format();
    int blocks = (depth + BLOCK - 1) / BLOCK;
    long padded = (long) blocks * BLOCK;
    long groupBytes = format.groupBytes(depth);
    int groups = (outputs + GROUP - 1) / GROUP;
    int most = Math.clamp(BUFFER / (4 * GROUP * Math.max(padded, 1)), 1, groups);
    // A line more than a power of two, so that rows of k lie in different sets of the caches.
    long stride = 4L * GROUP * most + 64;
    long buffer = Workspace.get(Workspace.OPERATION, Math.max(64, padded * stride));
    for (int g = 0; g < groups; g += most) {
      long from = w.address() + g * groupBytes;
      int count = Math.min(most, groups - g);
      IntConsumer panel =
          i -> panel(format, from + i * groupBytes, blocks, buffer + 4L * GROUP * i, stride);
      if ((double) DEQUANTISED * count * GROUP * padded < PARALLEL_FROM) {
        for (int i = 0; i < count; i++) panel.accept(i);
      } else {
        Workers.parallelFor(count, panel);
      }
      int column = g * GROUP;
      int columns = Math.min(count * GROUP, outputs - column);
      GemmF32.run(
          new Block(
              rows,
              depth,
              x.address(),
              buffer,
              bias == null ? 0 : bias.address() + 4L * column,
              out.address() + 4L * column),
          new GemmF32.Shape(
              columns, 4L * depth, 4, GemmPack.Element.F32, stride, 4, 4L * outputs, false));
    }
  }

  /** The product of all rows with the dequantised outputs. */
  private record Block(int rows, int depth, long a, long b, long bias, long c)
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
      return a;
    }

    @Override
    public long b(int g) {
      return b;
    }

    @Override
    public long bias(int g) {
      return bias;
    }

    @Override
    public long c(int g) {
      return c;
    }
  }
}
