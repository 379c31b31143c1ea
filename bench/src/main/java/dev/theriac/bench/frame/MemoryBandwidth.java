package dev.theriac.bench.frame;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CyclicBarrier;

/**
 * The rates at which this machine reads and copies memory: ceilings of what does little arithmetic.
 * The memory is that of tensors, with the same pages and offsets.
 */
final class MemoryBandwidth {
  /** Four times a large last-level cache, over all threads. */
  private static final int BYTES = 256 << 20;

  /** Bytes copied at once: so few that the JVM's copy does not write past the caches. */
  private static final int CHUNK = 4096;

  private MemoryBandwidth() {}

  /**
   * Sums tensors on {@code threads} threads at once for about {@code millis} milliseconds, all
   * starting each pass together; the rate of the fastest pass of all.
   *
   * @return 10^9 bytes per second
   */
  static double gigabytes(int threads, int millis) throws InterruptedException {
    return rate(threads, millis, false);
  }

  /**
   * Copies tensors, with ordinary stores as kernels have them; otherwise as {@link #gigabytes}.
   *
   * @return 10^9 bytes per second, what is read and what is written
   */
  static double copied(int threads, int millis) throws InterruptedException {
    return rate(threads, millis, true);
  }

  private static double rate(int threads, int millis, boolean copy) throws InterruptedException {
    int length = BYTES / threads / Long.BYTES / (copy ? 2 : 1);
    List<Tensor> tensors = new ArrayList<>();
    try {
      for (int t = 0; t < 2 * threads; t++) tensors.add(tensor(t % 2 == 0 || copy ? length : 0));
      return rate(tensors, length, millis, copy);
    } finally {
      tensors.forEach(Tensor::close);
      Memory.trim();
    }
  }

  private static double rate(List<Tensor> tensors, int length, int millis, boolean copy)
      throws InterruptedException {
    int threads = tensors.size() / 2;
    long bytes = (copy ? 16L : 8L) * length * threads;
    long[] sink = new long[threads];
    // Of the barrier's action alone: when the last pass of all threads ended, and the fastest.
    long[] times = {0, Long.MAX_VALUE};
    int[] left = {3, 0};
    long[] end = {0};
    CyclicBarrier together =
        new CyclicBarrier(
            threads,
            () -> {
              long now = System.nanoTime();
              if (left[0]-- > 0) end[0] = now + millis * 1_000_000L;
              else times[1] = Math.min(times[1], now - times[0]);
              if (left[0] < 0 && now > end[0]) left[1] = 1;
              times[0] = System.nanoTime();
            });
    Thread[] all = new Thread[threads];
    for (int t = 0; t < threads; t++) {
      int self = t;
      long data = tensors.get(2 * t).strided().address();
      long to = tensors.get(2 * t + 1).strided().address();
      all[t] =
          Thread.ofPlatform()
              .name("bandwidth-" + t)
              .daemon()
              .start(() -> {
                for (int i = 0; i < length; i++) Host.setLong(data + 8L * i, i);
                while (left[1] == 0) {
                  sink[self] += pass(data, to, length, copy);
                  await(together);
                }
              });
    }
    for (Thread thread : all) thread.join();
    double rate = (double) bytes / times[1];
    return sink[0] == 42 ? Math.nextUp(rate) : rate; // the sums must not be optimised away
  }

  private static void await(CyclicBarrier barrier) {
    try {
      barrier.await();
    } catch (InterruptedException | BrokenBarrierException e) {
      throw new IllegalStateException(e);
    }
  }

  private static Tensor tensor(int length) {
    return Scope.persist(Tensor.empty("bandwidth", DType.I64, length));
  }

  private static long pass(long data, long to, int length, boolean copy) {
    return copy ? copy(data, to, length) : sum(data, length);
  }

  private static long copy(long data, long to, int length) {
    for (long o = 0; o < 8L * length; o += CHUNK) {
      MemorySegment.copy(Host.ALL, data + o, Host.ALL, to + o, CHUNK);
    }
    return Host.getLong(to);
  }

  private static long sum(long data, int length) {
    long sum0 = 0;
    long sum1 = 0;
    for (int i = 0; i < length - 1; i += 2) {
      sum0 += Host.getLong(data + 8L * i);
      sum1 += Host.getLong(data + 8L * i + 8);
    }
    return sum0 + sum1;
  }
}
