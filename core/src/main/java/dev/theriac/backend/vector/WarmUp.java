package dev.theriac.backend.vector;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;
import java.util.function.IntPredicate;

/**
 * Gets kernels compiled in the background, up to 31 of them.
 *
 * <p>Until C2 has compiled a kernel, every vector in it is an object: a thousand times slower than
 * compiled, and slower than scalar code. So a daemon thread exercises each until it runs at speed,
 * and meanwhile scalar code that gives the same bits stands in for it. A JVM that leaves a kernel
 * boxed therefore computes slowly, with a warning, but not wrongly and without filling the heap.
 */
final class WarmUp implements Runnable {

  private static final int CALLS = 300;
  private static final int TIMED = 3;

  private final String kernels;
  private final String meanwhile;
  private final int all;
  private final IntPredicate exercise;
  private final CountDownLatch done = new CountDownLatch(1);
  private final long started = System.nanoTime();
  private volatile long finished;

  /** A bit for each kernel that runs at speed. */
  private volatile int ready;

  /**
   * Starts at once.
   *
   * @param kernels their name, as {@link Patience} takes it
   * @param meanwhile what stands in for them
   * @param count of kernels
   * @param exercise calls the kernel of that number some times and says whether it runs at speed
   */
  WarmUp(String kernels, String meanwhile, int count, IntPredicate exercise) {
    this.kernels = kernels;
    this.meanwhile = meanwhile;
    this.exercise = exercise;
    all = (1 << count) - 1;
    Thread thread = new Thread(null, this, "theriac-warm-up", 0, false);
    thread.setDaemon(true);
    thread.start();
  }

  /** Whether all kernels may be used. */
  boolean ready() {
    return ready == all;
  }

  /** Whether the kernel of that number may be used. */
  boolean has(int kernel) {
    return (ready >> kernel & 1) != 0;
  }

  /** Whether these kernels, a bit each, may be used. */
  boolean ready(int bits) {
    return (ready & bits) == bits;
  }

  /** Lets all kernels be used, or none: for tests, which compare the two ways. */
  void use(boolean compiled) {
    ready = compiled ? all : 0;
  }

  /** Waits until all run at speed; false if that takes longer than {@code seconds}. */
  boolean await(long seconds) throws InterruptedException {
    return done.await(seconds, TimeUnit.SECONDS);
  }

  /** How long it took; only after {@link #await} gave true. */
  double seconds() {
    return (finished - started) / 1e9;
  }

  @Override
  public void run() {
    Patience patience = new Patience(kernels, meanwhile);
    int fast = 0;
    while (fast != all) {
      for (int rest = all & ~fast; rest != 0; rest &= rest - 1) {
        if (!exercise.test(Integer.numberOfTrailingZeros(rest))) continue;
        fast |= Integer.lowestOneBit(rest);
        ready = fast;
      }
      if (fast != all) patience.round();
    }
    finished = System.nanoTime();
    done.countDown();
  }

  /**
   * Brings the compiler on with almost empty sums, since what counts is the number of calls; then
   * returns whether the fastest of a few calls took less than {@code nanos}.
   *
   * @param kernel called with the length of a sum, 0 to 2 at first
   * @param length of the sums of timed calls
   */
  static boolean atSpeed(IntConsumer kernel, int length, double nanos) {
    for (int i = 0; i < CALLS; i++) kernel.accept(i % 3);
    double best = Double.MAX_VALUE;
    for (int i = 0; i < TIMED; i++) {
      long start = System.nanoTime();
      kernel.accept(length);
      best = Math.min(best, System.nanoTime() - start);
    }
    return best < nanos;
  }
}
