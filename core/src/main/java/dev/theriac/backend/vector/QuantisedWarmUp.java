package dev.theriac.backend.vector;

import dev.theriac.tensor.Halves;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.QuantisedFormat;
import java.lang.foreign.Arena;

/** The {@link WarmUp} of the tiles of quantised weights, begun by the first, and its stand-in. */
final class QuantisedWarmUp {

  /** Nanoseconds for a vector of weights and a row: compiled code takes about one. */
  private static final double AT_SPEED = 6;

  private static final int BLOCKS = 4;

  private static final boolean LARGE = JitDirectives.LARGE_KERNELS;

  /** Rows of the tiles, the most wanted first. */
  private static final int[] TALL = LARGE ? new int[] {1, 4, 2} : new int[] {1};

  /** INT8 and INT4, the first two. */
  private static final int FORMATS = 2;

  private static final WarmUp WARM_UP =
      new WarmUp(
          "quantised weights",
          "scalar code is used meanwhile, some twenty times slower",
          TALL.length * FORMATS,
          kernel -> exercise(QuantisedFormat.values()[kernel % FORMATS], TALL[kernel / FORMATS]));

  private QuantisedWarmUp() {}

  /**
   * Whether a tile of so many rows may be used; the first call starts. Never for a height that is
   * not among the tiles of this JVM.
   */
  static boolean ready(QuantisedFormat format, int tall) {
    for (int i = 0; i < TALL.length; i++) {
      if (TALL[i] == tall) return WARM_UP.has(i * FORMATS + format.ordinal());
    }
    return false;
  }

  /** Lets all kernels be used, or none: for tests. */
  static void use(boolean vectors) {
    WARM_UP.use(vectors);
  }

  /** Waits until the tiles run at speed; false if that takes longer than {@code seconds}. */
  static boolean await(long seconds) throws InterruptedException {
    return WARM_UP.await(seconds);
  }

  /** Calls a kernel some times and returns whether it runs at speed. */
  private static boolean exercise(QuantisedFormat format, int tall) {
    int wide = LARGE ? 4 : 2;
    try (Arena arena = Arena.ofConfined()) {
      long memory = arena.allocate(1 << 18, 64).address();
      long out = memory + (1 << 16);
      long x = memory + (1 << 17);
      long buffer = memory + 3 * (1 << 16);
      return WarmUp.atSpeed(
          blocks ->
              VectorQuantised.tile(
                  format, tall, wide, memory, 0, blocks, x, 512, x, out, 256, buffer),
          BLOCKS,
          AT_SPEED * tall * wide * BLOCKS * QuantisedFormat.BLOCK);
    }
  }

  /** What tiles of {@link QuantisedTiles} compute for all outputs of a group, without vectors. */
  static void scalarTile(
      QuantisedFormat format,
      int rows,
      long w,
      int blocks,
      long x,
      long xStride,
      long init,
      long out,
      long outStride) {
    for (int r = 0; r < rows; r++) {
      for (int n = 0; n < QuantisedFormat.GROUP; n++) {
        float sum = Host.getFloat(init + 4L * n);
        for (int b = 0; b < blocks; b++) {
          // As the tiles do it: numbers of 4 bits are read times 16.
          int times = format == QuantisedFormat.INT4 ? 16 : 1;
          float scale = scale(format, w, n, b) / times;
          float part = 0;
          for (int k = 0; k < QuantisedFormat.BLOCK; k++) {
            long at = (long) b * QuantisedFormat.BLOCK + k;
            int number = times * number(format, w, n, b, k);
            part = Math.fma(Host.getFloat(x + r * xStride + 4 * at), number, part);
          }
          sum = Math.fma(scale, part, sum);
        }
        Host.setFloat(out + r * outStride + 4L * n, sum);
      }
    }
  }

  // A group is a matrix of 64 rows; how many columns it has does not matter to an address in it.

  private static float scale(QuantisedFormat format, long w, int n, int block) {
    long column = (long) block * QuantisedFormat.BLOCK;
    return Halves.fromBf16(Host.getShort(format.scaleAddress(w, column + 1, n, column)));
  }

  private static int number(QuantisedFormat format, long w, int n, int block, int k) {
    long column = (long) block * QuantisedFormat.BLOCK + k;
    return format.number(w, column + 1, n, column);
  }
}
