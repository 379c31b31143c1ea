package dev.theriac.moe.kit;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.DoubleAccumulator;
import java.util.function.Supplier;

/** Collects the comparisons of one test: how many, and the worst error in tolerances. */
final class Measurements {
  private static final ScopedValue<Measurements> CURRENT = ScopedValue.newInstance();

  private final DoubleAccumulator worst = new DoubleAccumulator(Math::max, 0);
  private final AtomicInteger count = new AtomicInteger();

  /** Runs {@code body}, whose comparisons on this thread are counted here. */
  <T> T collect(Supplier<T> body) {
    return ScopedValue.where(CURRENT, this).call(body::get);
  }

  static void add(Comparison comparison) {
    if (!CURRENT.isBound()) return;
    Measurements here = CURRENT.get();
    here.count.incrementAndGet();
    here.worst.accumulate(comparison.ofTolerance());
  }

  /** Largest error seen, in tolerances. */
  double worst() {
    return worst.get();
  }

  int count() {
    return count.get();
  }
}
