package dev.theriac.bench.frame;

import java.util.concurrent.CountDownLatch;

/**
 * The rates at which this machine reads and copies memory: ceilings of what does little arithmetic.
 */
final class MemoryBandwidth {
  /** Four times a large last-level cache, over all threads. */
  private static final int BYTES = 256 << 20;

  private MemoryBandwidth() {}

  /**
   * Sums arrays on {@code threads} threads at once for about {@code millis} milliseconds; the sum
   * of each thread's best rate.
   *
   * @return 10^9 bytes per second
   */
  static double gigabytes(int threads, int millis) throws InterruptedException {
    return rate(threads, millis, false);
  }

  /**
   * Copies arrays, with ordinary stores as kernels have them; otherwise as {@link #gigabytes}.
   *
   * @return 10^9 bytes per second, what is read and what is written
   */
  static double copied(int threads, int millis) throws InterruptedException {
    return rate(threads, millis, true);
  }

  private static double rate(int threads, int millis, boolean copy) throws InterruptedException {
    double[] best = new double[threads];
    long[] sink = new long[threads];
    CountDownLatch start = new CountDownLatch(threads);
    Thread[] all = new Thread[threads];
    for (int t = 0; t < threads; t++) {
      int self = t;
      all[t] =
          Thread.ofPlatform()
              .name("bandwidth-" + t)
              .daemon()
              .start(() -> {
                long[] data = new long[BYTES / threads / Long.BYTES / (copy ? 2 : 1)];
                long[] to = copy ? new long[data.length] : null;
                for (int i = 0; i < data.length; i++) data[i] = i;
                for (int i = 0; i < 3; i++) sink[self] += pass(data, to);
                start.countDown();
                while (start.getCount() > 0) sink[self] += pass(data, to);
                long end = System.nanoTime() + millis * 1_000_000L;
                while (System.nanoTime() < end) {
                  long before = System.nanoTime();
                  sink[self] += pass(data, to);
                  double rate = (copy ? 16.0 : 8.0) * data.length / (System.nanoTime() - before);
                  best[self] = Math.max(best[self], rate);
                }
              });
    }
    double sum = 0;
    for (int t = 0; t < threads; t++) {
      all[t].join();
      sum += best[t];
    }
    return sink[0] == 42 ? Math.nextUp(sum) : sum; // the sums must not be optimised away
  }

  private static long pass(long[] data, long[] to) {
    return to == null ? sum(data) : copy(data, to);
  }

  private static long copy(long[] data, long[] to) {
    int length = Math.min(data.length, to.length);
    for (int i = 0; i < length; i++) to[i] = data[i];
    return to[0];
  }

  private static long sum(long[] data) {
    long sum = 0;
    for (long value : data) sum += value;
    return sum;
  }
}
