package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.Workers;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;

/**
 * Copies between layouts whose elements lie side by side along different dimensions: a transposed
 * matrix, or many. Along one of the two dimensions every element of the source is on a line of its
 * own, so a plain walk fetches each line as often as it has elements; squares fetch it once.
 */
final class Permutation {
  /** Elements of a task. */
  private static final long GRAIN = Grain.of(Grain.MOVE);

  /** Rows of the result that are written side by side. */
  private static final int BAND = 64;

  /** Shorter dimensions are not worth a square. */
  private static final int LEAST = 8;

  private final int bytes;

  /** Dimensions other than the two, with their strides in bytes. */
  private final long[] sizes;

  private final long[] fromStrides;
  private final long[] toStrides;

  /** The dimension along which the result is dense: its size and its stride in the source. */
  private long wide;

  private long wideStride;

  /** The dimension along which the source is dense: its size and its stride in the result. */
  private long high;

  private long highStride;
  private int others;

  private Permutation(Strided x, Strided out) {
    Layout a = x.layout();
    Layout b = out.layout();
    bytes = x.dtype().bytes();
    sizes = new long[a.rank()];
    fromStrides = new long[a.rank()];
    toStrides = new long[a.rank()];
    for (int d = 0; d < a.rank(); d++) {
      long size = a.size(d);
      if (size == 1) continue;
      if (b.stride(d) == 1 && a.stride(d) != 1 && wide == 0) {
        wide = size;
        wideStride = a.stride(d) * bytes;
      } else if (a.stride(d) == 1 && b.stride(d) != 1 && high == 0) {
        high = size;
        highStride = b.stride(d) * bytes;
      } else {
        sizes[others] = size;
        fromStrides[others] = a.stride(d) * bytes;
        toStrides[others++] = b.stride(d) * bytes;
      }
    }
  }

  /** Copies if the layouts are of the form; returns whether they are. */
  static boolean copy(Strided x, Strided out) {
    Permutation p = new Permutation(x, out);
    boolean fits = p.wide >= LEAST && p.high >= LEAST && Math.max(p.wide, p.high) < 1 << 30;
    if (fits && x.size() > 0) p.run(x.address(), out.address());
    return fits;
  }

  private void run(long x, long out) {
    long outer = 1;
    for (int d = 0; d < others; d++) outer *= sizes[d];
    long bands = (high + BAND - 1) / BAND;
    Workers.parallelRange(
        outer * bands,
        Math.max(1, GRAIN / (wide * Math.min(BAND, high))),
        (from, to) -> {
          for (long i = from; i < to; i++) {
            long rest = i / bands;
            long px = x;
            long po = out;
            for (int d = others - 1; d >= 0; d--) {
              px += rest % sizes[d] * fromStrides[d];
              po += rest % sizes[d] * toStrides[d];
              rest /= sizes[d];
            }
            long first = i % bands * BAND;
            int rows = (int) Math.min(BAND, high - first);
            band(px + first * bytes, po + first * highStride, rows);
          }
        });
  }

  /** {@code rows} rows of the result. */
  private void band(long x, long out, int rows) {
    int columns = (int) wide;
    if (bytes == 4) {
      GemmPack.transpose(x, wideStride, columns, rows, out, highStride);
      return;
    }
    for (int c = 0; c < columns; c += LENGTH) {
      int n = Math.min(LENGTH, columns - c);
      for (int r = 0; r < rows; r++) {
        long from = x + c * wideStride + (long) r * bytes;
        Moves.run(bytes, n, from, wideStride, out + r * highStride + (long) c * bytes, bytes);
      }
    }
  }
}
