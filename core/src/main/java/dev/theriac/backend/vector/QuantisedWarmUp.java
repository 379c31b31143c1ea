package dev.theriac.backend.vector;

import dev.theriac.tensor.Halves;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.QuantisedFormat;
import java.lang.foreign.Arena;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;

/**
 * Gets the tiles of quantised weights compiled in the background, and stands in for them until
 * then, with the same bits; {@link GemmWarmUp} says why. The first product starts it.
 */
final class QuantisedWarmUp implements Runnable {

  /** Nanoseconds for a vector of weights and a row: compiled code takes about one. */
  private static final double AT_SPEED = 6;

  private static final int CALLS = 300;
  private static final int TIMED = 3;
  private static final int BLOCKS = 4;
  private static final CountDownLatch DONE = new CountDownLatch(1);

  private static final boolean LARGE = JitDirectives.LARGE_KERNELS;

  /** Rows of the tiles, the most wanted first. */
  private static final int[] TALL = LARGE ? new int[] {1, 4, 2} : new int[] {1};

  private static final int ALL = (1 << TALL.length * QuantisedFormat.values().length) - 1;

  /** A bit for each kernel that runs at speed. Tests change it to compare the two ways. */
  static volatile int ready;

  static {
    Thread thread = new Thread(null, new QuantisedWarmUp(), "theriac-warm-up-quantised", 0, false);
    thread.setDaemon(true);
    thread.start();
  }

  private QuantisedWarmUp() {}

  /**
   * Whether a tile of so many rows may be used; the first call starts. Never for a height that is
   * not among the tiles of this JVM.
   */
  static boolean ready(QuantisedFormat format, int tall) {
    for (int i = 0; i < TALL.length; i++) {
      if (TALL[i] == tall) return (ready & bit(format, i)) != 0;
    }
    return false;
  }

  private static int bit(QuantisedFormat format, int kernel) {
    return 1 << kernel * QuantisedFormat.values().length + format.ordinal();
  }

  /** Lets all kernels be used, or none: for tests. */
  static void use(boolean vectors) {
    ready = vectors ? ALL : 0;
  }

  /** Waits until the tiles run at speed; false if that takes longer than {@code seconds}. */
  static boolean await(long seconds) throws InterruptedException {
    return DONE.await(seconds, TimeUnit.SECONDS);
  }

  @Override
  public void run() {
    Patience patience =
        new Patience(
            "quantised weights", "scalar code is used meanwhile, some twenty times slower");
    int done = 0;
    while (done != ALL) {
      for (int kernel = 0; kernel < TALL.length; kernel++) {
        for (QuantisedFormat format : QuantisedFormat.values()) {
          int bit = bit(format, kernel);
          if ((done & bit) == 0 && exercise(format, TALL[kernel])) {
            done |= bit;
            ready = done;
          }
        }
      }
      if (done != ALL) patience.round();
    }
    DONE.countDown();
  }

  /** Calls a kernel some times and returns whether it runs at speed. */
  private static boolean exercise(QuantisedFormat format, int tall) {
    int wide = LARGE ? 4 : 2;
    try (Arena arena = Arena.ofConfined()) {
      long memory = arena.allocate(1 << 18, 64).address();
      long out = memory + (1 << 16);
      long x = memory + (1 << 17);
      long buffer = memory + 3 * (1 << 16);
      return atSpeed(
          tall * wide,
          blocks ->
              VectorQuantised.tile(
                  format, tall, wide, memory, 0, blocks, x, 512, x, out, 256, buffer));
    }
  }

  private static boolean atSpeed(int vectors, IntConsumer call) {
    // Almost empty sums: what brings the compiler on is the number of calls.
    for (int i = 0; i < CALLS; i++) call.accept(i % 2);
    double best = Double.MAX_VALUE;
    for (int i = 0; i < TIMED; i++) {
      long start = System.nanoTime();
      call.accept(BLOCKS);
      best = Math.min(best, System.nanoTime() - start);
    }
    return best < AT_SPEED * vectors * BLOCKS * QuantisedFormat.BLOCK;
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
