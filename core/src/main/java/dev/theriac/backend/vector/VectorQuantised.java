package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.QuantisedKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Strided;
import java.lang.foreign.Arena;
import java.lang.ref.Reference;

/**
 * Products with quantised weights; those without scales are {@link VectorPacked}'s. They stream
 * through {@link QuantisedTiles}, which hold the sums of some rows and outputs in registers.
 *
 * <p><b>Bits.</b> An output starts as its bias, or 0. For each block of 32 inputs in order, the sum
 * of x times number, one chain of fused multiply-adds from 0 in the order of the inputs, is
 * multiplied by the block's scale and added, fused as well. So a row has the same bits alone as
 * among others.
 */
final class VectorQuantised implements QuantisedKernels {

  /** Rows of a task: their tiles take the weights of a group from the second-level cache again. */
  private static final int ROWS = 32;

  /** Below this many multiply-adds the caller computes alone. */
  private static final double PARALLEL_FROM = 2 * Grain.of(Grain.QUANTISED);

  private static final int GROUP = QuantisedFormat.GROUP;

  /** Where the sums of a group start without a bias. */
  private static final long ZEROS = Arena.global().allocate(4L * GROUP, 64).address();

  private static final int BLOCK = QuantisedFormat.BLOCK;

  /** Bytes into which tiles expand the numbers of two blocks. */
  static final long EXPANDED = 2L * GROUP * BLOCK;

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
    if (!w.format().hasScales()) {
      VectorPacked.linear(x, w, bias, out);
      return;
    }
    int rows = VectorMatmul.size("rows", x.size(0));
    int outputs = VectorMatmul.size("columns", w.rows());
    int depth = VectorMatmul.size("terms", w.columns());
    if (rows == 0 || outputs == 0) return;
    Stream stream = new Stream(x, w, bias, out, rows, outputs, depth);
    int tasks = Math.multiplyExact(stream.groups, stream.parts);
    if ((double) rows * outputs * depth < PARALLEL_FROM) {
      for (int i = 0; i < tasks; i++) stream.accept(i);
    } else {
      Workers.parallelFor(tasks, stream::accept);
    }
    Workspace.release(Workspace.OPERATION);
    Reference.reachabilityFence(x);
    Reference.reachabilityFence(w);
    Reference.reachabilityFence(bias);
    Reference.reachabilityFence(out);
  }

  /** A task is a group of 64 outputs for some rows. */
  private static final class Stream {
    private final int groups;
    private final int parts;
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
      groups = (outputs + GROUP - 1) / GROUP;
      parts = (rows + ROWS - 1) / ROWS;
      blocks = (depth + BLOCK - 1) / BLOCK;
      this.w = w.address();
      groupBytes = format.groupBytes(depth);
      this.bias = bias == null ? 0 : bias.address();
      this.out = out.address();
      int padded = blocks * BLOCK;
      if (padded == depth) {
        this.x = x.address();
      } else {
        this.x = Workspace.take(Workspace.OPERATION, 4L * rows * padded, "quantisedLinear");
        for (int r = 0; r < rows; r++) {
          long row = this.x + 4L * r * padded;
          GemmPack.copy(x.address() + 4L * r * depth, row, depth);
          for (int k = depth; k < padded; k++) Host.setFloat(row + 4L * k, 0);
        }
      }
      xStride = 4L * padded;
    }

    void accept(int task) {
      int group = task / parts;
      int first = task % parts * ROWS;
      int count = Math.min(ROWS, rows - first);
      int column = group * GROUP;
      int width = Math.min(GROUP, outputs - column);
      long weights = w + group * groupBytes;
      long target = out + 4L * ((long) first * outputs + column);
      // Short vectors are cut out of longer ones that may begin before the buffer.
      long buffer = 64 + Workspace.get(Workspace.TASK, 64 + EXPANDED + 4L * GROUP * (1 + ROWS));
      if (width == GROUP) {
        long start = bias == 0 ? ZEROS : bias + 4L * column;
        rows(weights, buffer, first, count, start, target, 4L * outputs);
        return;
      }
      // A group that overhangs the matrix goes by way of memory of its own.
      long start = buffer + EXPANDED;
      for (int i = 0; i < GROUP; i++) {
        float value = bias == 0 || i >= width ? 0 : Host.getFloat(bias + 4L * (column + i));
        Host.setFloat(start + 4L * i, value);
      }
      long sums = start + 4L * GROUP;
      rows(weights, buffer, first, count, start, sums, 4L * GROUP);
      for (int r = 0; r < count; r++) {
        GemmPack.copy(sums + 4L * GROUP * r, target + 4L * outputs * r, width);
      }
    }

    /** Some rows of one group: four at a time, which take the group from the cache again. */
    private void rows(
        long weights, long buffer, int first, int count, long init, long to, long toStride) {
      int wide = JitDirectives.LARGE_KERNELS ? 4 : 2;
      for (int r = 0; r < count; ) {
        int tall = count - r >= 4 ? 4 : Math.min(count - r, 2);
        while (tall > 1 && !QuantisedWarmUp.ready(format, tall)) tall /= 2;
        long in = x + (first + r) * xStride;
        long at = to + r * toStride;
        if (QuantisedWarmUp.ready(format, tall)) {
          for (int lane = 0; lane < GROUP; lane += wide * LENGTH) {
            long o = 4L * lane;
            tile(
                format, tall, wide, weights, lane, blocks, in, xStride, init + o, at + o, toStride,
                buffer);
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
      long group,
      int lane,
      int blocks,
      long x,
      long xStride,
      long init,
      long out,
      long outStride,
      long buffer) {
    long w = group + 4L * lane;
    long q = group + QuantisedFormat.SCALES + lane;
    switch (format.bits() * 100 + tall * 10 + wide) {
      case 814 -> QuantisedTiles.int8x1x4(w, q, blocks, x, xStride, init, out, outStride);
      case 824 -> QuantisedTiles.int8x2x4(w, q, blocks, x, xStride, init, out, outStride);
      case 844 -> QuantisedTiles.int8x4x4(w, q, blocks, x, xStride, init, out, outStride);
      case 812 -> QuantisedTiles.int8x1x2(w, q, blocks, x, xStride, init, out, outStride);
      case 414 -> QuantisedTiles.int4x1x4(w, q, blocks, x, xStride, init, out, outStride, buffer);
      case 424 -> QuantisedTiles.int4x2x4(w, q, blocks, x, xStride, init, out, outStride, buffer);
      case 444 -> QuantisedTiles.int4x4x4(w, q, blocks, x, xStride, init, out, outStride, buffer);
      case 412 -> QuantisedTiles.int4x1x2(w, q, blocks, x, xStride, init, out, outStride, buffer);
      default -> throw new AssertionError(format + " " + tall + "x" + wide);
    }
  }
}
