package dev.theriac.bench.frame;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

class StandstillTest {
  private static final Supplier<Optional<Duration>> IDLE = () -> Optional.of(Duration.ofMillis(70));
  private static final Supplier<Optional<Duration>> UNKNOWN = Optional::empty;

  @Test
  void waitsUntilTheLastClockStandsStill() {
    AtomicInteger reads = new AtomicInteger();
    Supplier<Optional<Duration>> busyAtFirst =
        () -> Optional.of(Duration.ofMillis(10L * Math.min(20, reads.incrementAndGet())));
    assertTrue(Standstill.await(List.of(IDLE, UNKNOWN, busyAtFirst), 10_000));
    assertTrue(reads.get() > 20, "read " + reads + " times");
  }

  @Test
  void givesUpOnAClockThatGoesOn() {
    AtomicInteger reads = new AtomicInteger();
    Supplier<Optional<Duration>> busy =
        () -> Optional.of(Duration.ofMillis(reads.incrementAndGet()));
    assertFalse(Standstill.await(List.of(IDLE, busy), 60));
    assertTrue(reads.get() > 2);
  }

  @Test
  void doesNotWaitForNobodyOrForClocksThatAreNotKnown() {
    assertTrue(Standstill.await(List.<Supplier<Optional<Duration>>>of(), 0));
    AtomicInteger reads = new AtomicInteger();
    Supplier<Optional<Duration>> counted =
        () -> {
          reads.incrementAndGet();
          return Optional.empty();
        };
    assertTrue(Standstill.await(List.of(UNKNOWN, counted), 0));
    assertEquals(1, reads.get());
  }

  @Test
  void theClockOfAProcessIsItsProcessorTime() throws Exception {
    ProcessHandle own = ProcessHandle.current();
    Optional<Duration> before = own.info().totalCpuDuration();
    if (before.isEmpty()) return; // not on every system
    long end = System.nanoTime() + 100_000_000;
    while (System.nanoTime() < end) Thread.onSpinWait();
    Duration used = own.info().totalCpuDuration().orElseThrow().minus(before.get());
    assertTrue(used.toMillis() >= 10, "used " + used);
  }
}
