package dev.theriac.bench.frame;

import java.util.concurrent.CountDownLatch;

/** The rate at which this machine reads memory, the ceiling of what does little arithmetic. */
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
                long[] data = new long[BYTES / threads / Long.BYTES];
                for (int i = 0; i < data.length; i++) data[i] = i;
                for (int i = 0; i < 3; i++) sink[self] += sum(data);
                start.countDown();
                while (start.getCount() > 0) sink[self] += sum(data);
                long end = System.nanoTime() + millis * 1_000_000L;
                while (System.nanoTime() < end) {
                  long before = System.nanoTime();
                  sink[self] += sum(data);
                  double rate = 8.0 * data.length / (System.nanoTime() - before);
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

  private static long sum(long[] data) {
    long sum = 0;
    for (long value : data) sum += value;
    return sum;
  }
}
