package dev.theriac.backend.vector;

import dev.theriac.tensor.Halves;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.QuantisedFormat;
import java.lang.foreign.Arena;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;

/**
 * Gets the tiles of quantised weights compiled in the background, and stands in for them until
 * then, with the same bits; {@link GemmWarmUp} says why. The first product starts it.
 */
final class QuantisedWarmUp implements Runnable {

  private static final System.Logger LOG = System.getLogger(QuantisedWarmUp.class.getName());

  /** Nanoseconds for a vector of weights and a row: compiled code takes about one. */
  private static final double AT_SPEED = 6;

  private static final int CALLS = 300;
  private static final int TIMED = 3;
  private static final int BLOCKS = 4;
  private static final long PATIENCE = TimeUnit.SECONDS.toNanos(60);
  private static final long PAUSE = TimeUnit.SECONDS.toNanos(1);
  private static final CountDownLatch DONE = new CountDownLatch(1);

  /** Whether the tiles run at speed. Tests switch it to compare the two ways. */
  static volatile boolean ready;

  static {
    Thread thread = new Thread(null, new QuantisedWarmUp(), "theriac-warm-up-quantised", 0, false);
    thread.setDaemon(true);
    thread.start();
  }

  private QuantisedWarmUp() {}

  /** Returns whether the tiles may be used; the first call starts the warm-up. */
  static boolean ready() {
    return ready;
  }

  /** Waits until the tiles run at speed; false if that takes longer than {@code seconds}. */
  static boolean await(long seconds) throws InterruptedException {
    return DONE.await(seconds, TimeUnit.SECONDS);
  }

  @Override
  public void run() {
    long patience = System.nanoTime() + PATIENCE;
    boolean warned = false;
    while (!exercise()) {
      if (System.nanoTime() > patience) {
        if (!warned) {
          LOG.log(
              System.Logger.Level.WARNING,
              "the compiler has not got the vector kernels of quantised weights up to speed yet:"
                  + " scalar code is used meanwhile, some twenty times slower");
        }
        warned = true;
        LockSupport.parkNanos(PAUSE);
      }
    }
    ready = true;
    DONE.countDown();
  }

  /** Calls each kernel some times and returns whether all of them run at speed. */
  private static boolean exercise() {
    boolean large = JitDirectives.LARGE_KERNELS;
    try (Arena arena = Arena.ofConfined()) {
      long memory = arena.allocate(1 << 18, 64).address();
      boolean atSpeed = true;
      for (QuantisedFormat format : QuantisedFormat.values()) {
        for (int tall : large ? new int[] {1, 2, 4} : new int[] {1}) {
          int wide = large && tall < 4 ? 4 : 2;
          atSpeed &=
              atSpeed(
                  tall * wide,
                  blocks -> {
                    long x = memory + (1 << 17);
                    long out = memory + (1 << 16);
                    VectorQuantised.tile(
                        format, tall, wide, memory, blocks, x, 512, x, out, 4 * 64);
                  });
        }
        int wide = large ? 4 : 2;
        atSpeed &=
            atSpeed(
                wide,
                blocks ->
                    VectorQuantised.vectorPanel(
                        format, wide, memory, blocks, memory + (1 << 16), 4 * 64));
      }
      return atSpeed;
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
          float scale = scale(format, w, n, b);
          for (int k = 0; k < QuantisedFormat.BLOCK; k++) {
            float weight = number(format, w, n, b, k) * scale;
            int at = b * QuantisedFormat.BLOCK + k;
            sum = Math.fma(Host.getFloat(x + r * xStride + 4L * at), weight, sum);
          }
        }
        Host.setFloat(out + r * outStride + 4L * n, sum);
      }
    }
  }

  /** What the panels of {@link QuantisedTiles} hold for all outputs of a group. */
  static void scalarPanel(QuantisedFormat format, long w, int blocks, long out, long outStride) {
    for (int n = 0; n < QuantisedFormat.GROUP; n++) {
      for (int b = 0; b < blocks; b++) {
        float scale = scale(format, w, n, b);
        for (int k = 0; k < QuantisedFormat.BLOCK; k++) {
          long row = out + (b * (long) QuantisedFormat.BLOCK + k) * outStride;
          Host.setFloat(row + 4L * n, number(format, w, n, b, k) * scale);
        }
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
