package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.F32;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import java.lang.foreign.Arena;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Gets the register tiles compiled in the background, and stands in for them until then.
 *
 * <p>Until C2 has compiled a tile, every vector in it is an object: a thousand times slower than
 * compiled, and slower than scalar code. The first product starts a daemon thread that exercises
 * the tiles until each runs at speed. Meanwhile products use {@link #scalarTile}, which gives the
 * same bits. A JVM that leaves a tile boxed therefore computes slowly, with a warning, but not
 * wrongly and without filling the heap.
 */
final class GemmWarmUp implements Runnable {

  /** Nanoseconds for one vector multiply-add: compiled code takes about a fifth, boxed code ten. */
  private static final double AT_SPEED = 2.5;

  private static final int DEPTH = 64;
  private static final int CALLS = 300;
  private static final int TIMED = 3;
  private static final CountDownLatch DONE = new CountDownLatch(1);

  /** Whether the tiles run at speed. Tests switch it to compare the two ways. */
  static volatile boolean ready;

  private static final long STARTED = System.nanoTime();

  private static volatile long finished;

  static {
    Thread thread = new Thread(null, new GemmWarmUp(), "theriac-warm-up", 0, false);
    thread.setDaemon(true);
    thread.start();
  }

  private GemmWarmUp() {}

  /** Returns whether the tiles may be used; the first call starts the warm-up. */
  static boolean ready() {
    return ready;
  }

  /** Waits until the tiles run at speed; false if that takes longer than {@code seconds}. */
  static boolean await(long seconds) throws InterruptedException {
    return DONE.await(seconds, TimeUnit.SECONDS);
  }

  /** How long the warm-up took; only after {@link #await} gave true. */
  static double seconds() {
    return (finished - STARTED) / 1e9;
  }

  @Override
  public void run() {
    Patience patience =
        new Patience(
            "the matrix product", "scalar code is used meanwhile, some fifty times slower");
    while (!exercise()) patience.round();
    finished = System.nanoTime();
    ready = true;
    DONE.countDown();
  }

  /** Calls each kernel some times and returns whether all of them run at speed. */
  private static boolean exercise() {
    GemmScratch scratch = GemmScratch.acquire();
    try (Arena arena = Arena.ofConfined()) {
      long c = arena.allocate(8 * 3 * BYTES, 64).address();
      boolean atSpeed = tile(1, 3, scratch, c);
      for (int vectors = 3; vectors >= 1; vectors--) {
        atSpeed &= tile(4, vectors, scratch, c);
        atSpeed &= !JitDirectives.LARGE_KERNELS || tile(8, vectors, scratch, c);
      }
      return transposition(scratch) && atSpeed;
    } finally {
      scratch.release();
      scratch.fence();
    }
  }

  private static boolean tile(int tall, int vectors, GemmScratch scratch, long c) {
    for (int i = 0; i < CALLS; i++) {
      // Almost empty sums: what brings the compiler on is the number of calls.
      long init = i % 3 == 0 ? scratch.zeros : c;
      long initStride = i % 3 == 0 ? 0 : 3 * BYTES;
      GemmF32.vectorTile(
          tall, vectors, scratch.a, scratch.b, i % 3, init, initStride, c, 3 * BYTES);
    }
    double best = Double.MAX_VALUE;
    for (int i = 0; i < TIMED; i++) {
      long start = System.nanoTime();
      GemmF32.vectorTile(
          tall, vectors, scratch.a, scratch.b, DEPTH, scratch.zeros, 0, c, 3 * BYTES);
      best = Math.min(best, System.nanoTime() - start);
    }
    return best < AT_SPEED * tall * vectors * DEPTH;
  }

  private static boolean transposition(GemmScratch scratch) {
    for (int i = 0; i < CALLS; i++) {
      GemmPack.squares(scratch.wide, GemmScratch.WIDE_STRIDE, scratch.b, 3 * BYTES, i % 3);
      GemmPack.pairs(scratch.wide, GemmScratch.WIDE_STRIDE, scratch.b, 3 * BYTES, i % 3);
    }
    double best = Double.MAX_VALUE;
    int blocks = DEPTH / LENGTH;
    for (int i = 0; i < TIMED; i++) {
      long start = System.nanoTime();
      GemmPack.squares(scratch.wide, GemmScratch.WIDE_STRIDE, scratch.b, 3 * BYTES, blocks);
      best = Math.min(best, System.nanoTime() - start);
    }
    // A row takes log2(LENGTH) permutations, each of them not dearer than a multiply-add.
    return best < 4 * AT_SPEED * blocks * LENGTH;
  }

  /** What {@code tileRxV} of {@link GemmTiles} computes, bit for bit, without vectors. */
  static void scalarTile(
      int rows,
      int columns,
      long a,
      long b,
      int depth,
      long init,
      long initStride,
      long c,
      long cStride) {
    for (int r = 0; r < rows; r++) {
      long to = c + r * cStride;
      long from = init + r * initStride;
      if (from != to) {
        for (int j = 0; j < columns; j++) {
          ALL.set(F32, to + 4L * j, ALL.get(F32, from + 4L * j));
        }
      }
      for (int k = 0; k < depth; k++) {
        float x = ALL.get(F32, a + k * GemmTiles.A_STEP + 4L * r);
        addScaled(x, b + 4L * k * columns, to, columns);
      }
    }
  }

  private static void addScaled(float x, long from, long to, int count) {
    for (int j = 0; j < count; j++) {
      float sum = ALL.get(F32, to + 4L * j);
      ALL.set(F32, to + 4L * j, Math.fma(x, ALL.get(F32, from + 4L * j), sum));
    }
  }
}
