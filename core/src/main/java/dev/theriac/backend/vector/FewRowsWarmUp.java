package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Gets the kernels of {@link FewRows} compiled in the background, each when it is first asked for.
 * Until a kernel runs at speed its products go through {@link GemmF32}, which gives the same bits.
 */
final class FewRowsWarmUp implements Runnable {

  /** Nanoseconds for one vector multiply-add: compiled code takes two, boxed code hundreds. */
  private static final double AT_SPEED = 30;

  private static final int BLOCKS = 32;
  private static final int CALLS = 300;
  private static final int TIMED = 5;

  /** Kernels that somebody has asked for, and those that run at speed, one bit each. */
  private static final AtomicInteger WANTED = new AtomicInteger();

  private static final AtomicInteger READY = new AtomicInteger();

  /** Whether kernels are used before they run at speed, too. For tests. */
  static volatile boolean always;

  private FewRowsWarmUp() {}

  /** Rows of the kernel that computes {@code rows} rows. */
  static int kernelRows(int rows) {
    return rows == 3 ? 4 : rows;
  }

  /** The bit that stands for the kernel for so many rows. */
  static int bit(boolean half, int rows) {
    return 1 << kernelRows(rows) + (half ? 8 : 0);
  }

  /** Returns whether all of these kernels may be used; starts to compile those that may not. */
  static boolean ready(int kernels) {
    if ((READY.get() & kernels) == kernels || always) return true;
    int before = WANTED.getAndUpdate(wanted -> wanted | kernels);
    if (before == 0) {
      Thread thread = new Thread(null, new FewRowsWarmUp(), "theriac-warm-up-few-rows", 0, false);
      thread.setDaemon(true);
      thread.start();
    }
    return false;
  }

  /** Waits until these kernels run at speed; false if that takes longer than {@code seconds}. */
  static boolean await(int kernels, long seconds) throws InterruptedException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    ready(kernels);
    while ((READY.get() & kernels) != kernels) {
      if (System.nanoTime() > end) return false;
      Thread.sleep(10);
    }
    return true;
  }

  /** Ends when all that was asked for runs at speed; who asks for more later starts another. */
  @Override
  public void run() {
    Patience patience =
        new Patience("products of few rows", "those for more rows are used meanwhile");
    for (; ; ) {
      int wanted = WANTED.get();
      int left = wanted & ~READY.get();
      if (left == 0) {
        if (WANTED.compareAndSet(wanted, 0)) return;
        continue;
      }
      for (int rest = left; rest != 0; rest &= rest - 1) {
        int kernel = Integer.numberOfTrailingZeros(rest);
        if (exercise(kernel >= 8, kernel & 7)) READY.getAndUpdate(ready -> ready | 1 << kernel);
      }
      if ((wanted & ~READY.get()) != 0) patience.round();
    }
  }

  /** Calls a kernel some times and returns whether it runs at speed. */
  private static boolean exercise(boolean half, int rows) {
    try (Arena arena = Arena.ofConfined()) {
      long row = BYTES * BLOCKS;
      long w = arena.allocate(16 * row, 64).address();
      float[] x = new float[2 * LENGTH * BLOCKS];
      long c = arena.allocate(4 * 64, 64).address();
      double best = Double.MAX_VALUE;
      for (int i = 0; i < CALLS; i++) {
        // Short sums bring the compiler on by the number of calls, long ones show it the loop.
        int blocks = i % 16 == 0 ? BLOCKS : i % 3;
        long start = System.nanoTime();
        FewRows.kernel(half, rows, w, row, w, x, 0, 0, blocks, c, 64, c, 64);
        if (blocks == BLOCKS && i > CALLS - 16 * TIMED) {
          best = Math.min(best, System.nanoTime() - start);
        }
      }
      // To transpose a block costs about as much as to multiply it by one row.
      return best < AT_SPEED * LENGTH * (half ? 2 : 1) * (rows + 1) * BLOCKS;
    }
  }
}
