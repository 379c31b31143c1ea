package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;

import java.util.concurrent.CountDownLatch;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The ceiling of f32 arithmetic on this machine: fused multiply-adds between registers, no memory.
 * Benchmarks set a kernel's rate against it. Thread-safe.
 */
public final class FmaPeak {

  private static final int STEPS = 20_000;
  private static final int CHAINS = 12;

  private FmaPeak() {}

  /**
   * Runs the loop on {@code threads} threads at once for about {@code millis} milliseconds after a
   * warm-up and returns the sum of each thread's best rate.
   *
   * @return 10^9 floating-point operations per second, two for each multiply-add
   */
  public static double gflops(int threads, int millis) throws InterruptedException {
    double[] best = new double[threads];
    float[] sink = new float[threads];
    CountDownLatch start = new CountDownLatch(threads);
    Thread[] all = new Thread[threads];
    for (int t = 0; t < threads; t++) {
      int self = t;
      all[t] =
          Thread.ofPlatform()
              .name("fma-peak-" + t)
              .daemon()
              .start(() -> best[self] = measure(start, millis, sink, self));
    }
    double sum = 0;
    for (int t = 0; t < threads; t++) {
      all[t].join();
      sum += best[t];
    }
    return sum;
  }

  private static double measure(CountDownLatch start, int millis, float[] sink, int self) {
    long warm = System.nanoTime() + 500_000_000L;
    while (System.nanoTime() < warm) {
      sink[self] += run(STEPS);
    }
    start.countDown();
    while (start.getCount() > 0) {
      sink[self] += run(STEPS);
    }
    double best = 0;
    long end = System.nanoTime() + millis * 1_000_000L;
    while (System.nanoTime() < end) {
      long before = System.nanoTime();
      sink[self] += run(STEPS);
      long nanos = System.nanoTime() - before;
      best = Math.max(best, 2.0 * STEPS * CHAINS * LENGTH / nanos);
    }
    return best;
  }

  /** Twelve independent chains c = c x + y: enough to hide the latency of two units. */
  private static float run(int steps) {
    FloatVector x = FloatVector.broadcast(SPECIES, 0.999f);
    FloatVector y = FloatVector.broadcast(SPECIES, 0.001f);
    FloatVector c0 = y;
    FloatVector c1 = y;
    FloatVector c2 = y;
    FloatVector c3 = y;
    FloatVector c4 = y;
    FloatVector c5 = y;
    FloatVector c6 = y;
    FloatVector c7 = y;
    FloatVector c8 = y;
    FloatVector c9 = y;
    FloatVector c10 = y;
    FloatVector c11 = y;
    for (int i = 0; i < steps; i++) {
      c0 = c0.fma(x, y);
      c1 = c1.fma(x, y);
      c2 = c2.fma(x, y);
      c3 = c3.fma(x, y);
      c4 = c4.fma(x, y);
      c5 = c5.fma(x, y);
      c6 = c6.fma(x, y);
      c7 = c7.fma(x, y);
      c8 = c8.fma(x, y);
      c9 = c9.fma(x, y);
      c10 = c10.fma(x, y);
      c11 = c11.fma(x, y);
    }
    FloatVector sum = c0.add(c1).add(c2).add(c3).add(c4).add(c5);
    return sum.add(c6).add(c7).add(c8).add(c9).add(c10).add(c11).reduceLanes(VectorOperators.ADD);
  }
}
