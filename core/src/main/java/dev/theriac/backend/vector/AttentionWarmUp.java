package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.F32;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import java.lang.foreign.Arena;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * Gets the tiles of attention compiled in the background, and stands in for them until then with
 * scalar code that gives the same bits: what {@link GemmWarmUp} does for the matrix product.
 */
final class AttentionWarmUp implements Runnable {

  /** Rows of a tile. */
  static final int TALL = 4;

  /** Vectors of the widest tile: 20 sums need the 32 vector registers of AVX-512 or NEON. */
  static final int WIDEST =
      JitDirectives.LARGE_KERNELS
              && (LENGTH == 16 || System.getProperty("os.arch", "").equals("aarch64"))
          ? 5
          : 3;

  /** Nanoseconds for one vector multiply-add: compiled code takes about a fifth, boxed code ten. */
  private static final double AT_SPEED = 2.5;

  private static final int DEPTH = 64;
  private static final int CALLS = 300;
  private static final int TIMED = 3;
  private static final long PATIENCE = TimeUnit.SECONDS.toNanos(60);
  private static final long PAUSE = TimeUnit.MILLISECONDS.toNanos(500);
  private static final CountDownLatch DONE = new CountDownLatch(1);

  /** Whether the tiles run at speed. Tests switch it to compare the two ways. */
  static volatile boolean ready;

  static {
    Thread thread = new Thread(null, new AttentionWarmUp(), "theriac-warm-up-attention", 0, false);
    thread.setDaemon(true);
    thread.start();
  }

  private AttentionWarmUp() {}

  /** Waits until the tiles run at speed; false if that takes longer than {@code seconds}. */
  static boolean await(long seconds) throws InterruptedException {
    return DONE.await(seconds, TimeUnit.SECONDS);
  }

  /** One tile of {@link AttentionTiles} of {@link #TALL} rows by 1 to {@link #WIDEST} vectors. */
  static void tile(
      int vectors,
      long a,
      long aRow,
      long aStep,
      long b,
      long bStep,
      int depth,
      long init,
      long initRow,
      long c,
      long cRow) {
    if (ready) {
      vectorTile(vectors, a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
    } else {
      scalarTile(vectors * LENGTH, a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
    }
  }

  private static void vectorTile(
      int vectors,
      long a,
      long aRow,
      long aStep,
      long b,
      long bStep,
      int depth,
      long init,
      long initRow,
      long c,
      long cRow) {
    switch (vectors) {
      case 1 -> AttentionTiles.tile4x1(a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
      case 2 -> AttentionTiles.tile4x2(a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
      case 3 -> AttentionTiles.tile4x3(a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
      case 4 -> AttentionTiles.tile4x4(a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
      default -> AttentionTiles.tile4x5(a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
    }
  }

  /** What {@code tileRxV} computes, bit for bit, without vectors. */
  private static void scalarTile(
      int columns,
      long a,
      long aRow,
      long aStep,
      long b,
      long bStep,
      int depth,
      long init,
      long initRow,
      long c,
      long cRow) {
    for (int r = 0; r < TALL; r++) {
      long to = c + r * cRow;
      long from = init + r * initRow;
      for (int j = 0; j < columns && from != to; j++) {
        ALL.set(F32, to + 4L * j, ALL.get(F32, from + 4L * j));
      }
      for (int k = 0; k < depth; k++) {
        float x = ALL.get(F32, a + r * aRow + k * aStep);
        addScaled(x, b + k * bStep, to, columns);
      }
    }
  }

  private static void addScaled(float x, long from, long to, int count) {
    for (int j = 0; j < count; j++) {
      float sum = ALL.get(F32, to + 4L * j);
      ALL.set(F32, to + 4L * j, Math.fma(x, ALL.get(F32, from + 4L * j), sum));
    }
  }

  @Override
  public void run() {
    long patience = System.nanoTime() + PATIENCE;
    while (!exercise()) {
      if (System.nanoTime() > patience) LockSupport.parkNanos(PAUSE);
    }
    ready = true;
    DONE.countDown();
  }

  /** Calls each tile some times and returns whether all of them run at speed. */
  private static boolean exercise() {
    try (Arena arena = Arena.ofConfined()) {
      long step = WIDEST * BYTES;
      long a = arena.allocate(4 * TALL * DEPTH, 64).address();
      long b = arena.allocate(step * DEPTH, 64).address();
      long c = arena.allocate(TALL * step, 64).address();
      boolean atSpeed = true;
      for (int vectors = 1; vectors <= WIDEST; vectors++) {
        for (int i = 0; i < CALLS; i++) {
          // Almost empty sums: what brings the compiler on is the number of calls.
          vectorTile(vectors, a, 4L * DEPTH, 4, b, step, i % 3, c, 0, c, step);
        }
        double best = Double.MAX_VALUE;
        for (int i = 0; i < TIMED; i++) {
          long start = System.nanoTime();
          vectorTile(vectors, a, 4L * DEPTH, 4, b, step, DEPTH, c, 0, c, step);
          best = Math.min(best, System.nanoTime() - start);
        }
        atSpeed &= best < AT_SPEED * TALL * vectors * DEPTH;
      }
      return atSpeed;
    }
  }
}
