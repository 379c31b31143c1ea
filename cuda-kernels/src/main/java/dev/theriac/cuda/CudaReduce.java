package dev.theriac.cuda;

import dev.theriac.backend.ReduceKernels;
import dev.theriac.backend.ReduceKind;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.cuda.device.Launch;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import java.util.Arrays;

/**
 * Reductions (reduce.cu). Long rows of which there are few are reduced in parts, and the parts put
 * together by a second kernel; into how many follows from the shape alone, and so does the order of
 * every sum.
 */
final class CudaReduce extends CudaKernels implements ReduceKernels {
  /** Blocks that occupy a large card: no more parts than give so many. */
  private static final long ENOUGH_BLOCKS = 1024;

  private static final long LEAST_OF_ROW = 4096;
  private static final long LEAST_OF_COLUMN = 128;
  private static final long LONG_ROW = 1024;

  private final CudaElementwise elementwise;

  CudaReduce(CudaDevice device) {
    super(device);
    elementwise = new CudaElementwise(device);
  }

  @Override
  public void reduce(ReduceKind kind, Strided x, int kept, Strided out) {
    long rows = out.size();
    if (rows == 0) return;
    requireContiguous("reduce", out);
    if (x.size() == 0) {
      elementwise.fill(out, ofNothing(kind));
      return;
    }
    int rank = x.layout().rank();
    Places outer = Places.of("reduce", x.with(dimensions(x.layout(), 0, kept)));
    Places inner = Places.of("reduce", x.with(dimensions(x.layout(), kept, rank)));
    long columns = x.size() / rows;
    boolean sideBySide = rows >= 8 && outer.lastStride() < inner.lastStride();
    int lanes = columns > LONG_ROW ? 256 : 32;
    long blocks = Math.ceilDiv(rows, sideBySide ? 32 : 256 / lanes);
    long least = sideBySide ? LEAST_OF_COLUMN : LEAST_OF_ROW;
    long parts =
        Math.max(1, Math.min(Math.ceilDiv(columns, least), ENOUGH_BLOCKS / Math.max(1, blocks)));
    long chunk = Math.ceilDiv(columns, parts);
    Launch launch =
        kernel(sideBySide ? "reduce_columns" : "reduce_rows")
            .grid(blocks, parts, 1)
            .block(sideBySide ? 32 : 256, sideBySide ? 8 : 1, 1)
            .ints(kind.ordinal())
            .pointer(x);
    inner.addTo(outer.addTo(launch)).longs(chunk);
    if (!sideBySide) launch.ints(lanes);
    if (parts == 1) {
      launch.pointer(0).pointer(out).run();
      return;
    }
    // Of doubles, which have the size of longs.
    withScratch(
        DType.I64,
        rows * parts,
        "reduce",
        partial -> {
          launch.pointer(partial).pointer(out).run();
          kernel("reduce_parts")
              .grid(Math.ceilDiv(rows, 8))
              .block(256)
              .ints(kind.ordinal())
              .pointer(partial)
              .longs(rows)
              .ints((int) parts)
              .longs(columns)
              .pointer(out)
              .run();
        });
  }

  private static double ofNothing(ReduceKind kind) {
    return switch (kind) {
      case SUM -> 0;
      case MEAN -> Double.NaN;
      case MAX -> Double.NEGATIVE_INFINITY;
      case MIN -> Double.POSITIVE_INFINITY;
    };
  }

  private static Layout dimensions(Layout x, int from, int to) {
    return Layout.strided(
        Arrays.copyOfRange(x.shape(), from, to),
        Arrays.copyOfRange(x.strides(), from, to),
        x.offset());
  }

  @Override
  public void argmax(Strided x, Strided out) {
    if (x.size(0) == 0) return;
    requireContiguous("argmax", out);
    kernel("reduce_argmax")
        .grid(x.size(0))
        .block(256)
        .pointer(x)
        .longs(x.size(1), x.stride(0), x.stride(1))
        .pointer(out)
        .run();
  }
}
