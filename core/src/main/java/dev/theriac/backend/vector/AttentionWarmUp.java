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

  /** Rows of the tallest tile: 24 sums need the 32 vector registers of AVX-512 or NEON. */
  static final int TALLEST =
      JitDirectives.LARGE_KERNELS
              && (LENGTH == 16 || System.getProperty("os.arch", "").equals("aarch64"))
          ? 8
          : 4;

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

  /** One tile of {@link AttentionTiles} of {@code tall} rows (8 or 4) by 1 to 3 vectors. */
  static void tile(
      int tall,
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
      vectorTile(tall, vectors, a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
    } else {
      scalarTile(tall, vectors * LENGTH, a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
    }
  }

  private static void vectorTile(
      int tall,
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
    switch (tall == 8 ? vectors + 3 : vectors) {
      case 1 -> AttentionTiles.tile4x1(a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
      case 2 -> AttentionTiles.tile4x2(a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
      case 3 -> AttentionTiles.tile4x3(a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
      case 4 -> AttentionTiles.tile8x1(a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
      case 5 -> AttentionTiles.tile8x2(a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
      default -> AttentionTiles.tile8x3(a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
    }
  }

  /** What {@code tileRxV} computes, bit for bit, without vectors. */
  private static void scalarTile(
      int rows,
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
    for (int r = 0; r < rows; r++) {
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
      long a = arena.allocate(8 * 4 * DEPTH, 64).address();
      long b = arena.allocate(3 * BYTES * DEPTH, 64).address();
      long c = arena.allocate(8 * 3 * BYTES, 64).address();
      boolean atSpeed = true;
      for (int tall = 4; tall <= TALLEST; tall += 4) {
        for (int vectors = 1; vectors <= 3; vectors++) {
          for (int i = 0; i < CALLS; i++) {
            // Almost empty sums: what brings the compiler on is the number of calls.
            vectorTile(tall, vectors, a, 4L * DEPTH, 4, b, 3 * BYTES, i % 3, c, 0, c, 3 * BYTES);
          }
          double best = Double.MAX_VALUE;
          for (int i = 0; i < TIMED; i++) {
            long start = System.nanoTime();
            vectorTile(tall, vectors, a, 4L * DEPTH, 4, b, 3 * BYTES, DEPTH, c, 0, c, 3 * BYTES);
            best = Math.min(best, System.nanoTime() - start);
          }
          atSpeed &= best < AT_SPEED * tall * vectors * DEPTH;
        }
      }
      return atSpeed;
    }
  }
}
