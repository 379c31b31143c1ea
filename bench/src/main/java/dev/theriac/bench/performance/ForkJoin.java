package dev.theriac.bench.performance;

import dev.theriac.backend.Workers;
import java.util.function.IntConsumer;

/** A region of two tasks, each of which waits until the other has begun where there are threads. */
final class ForkJoin {
  /** Far more than another thread can be late without being lost. */
  private static final int MOST_SPINS = 1 << 26;

  private final IntConsumer body = this::meet;
  private long region;
  private volatile long first;
  private volatile long second;

  void run() {
    region++;
    Workers.parallelFor(2, body);
  }

  private void meet(int task) {
    if (task == 0) first = region;
    else second = region;
    int spins = Workers.threads() == 1 ? MOST_SPINS : 0;
    while (!arrived(1 - task) && spins++ < MOST_SPINS) Thread.onSpinWait();
  }

  /** Whether a task took part in the last region. */
  boolean arrived(int task) {
    return (task == 0 ? first : second) == region;
  }
}
