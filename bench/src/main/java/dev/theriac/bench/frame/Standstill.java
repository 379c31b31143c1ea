package dev.theriac.bench.frame;

import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * A pause between two engines' turns: until the processes whose turn it is not use no processor.
 * The threads of a library may wait busily for its next call (OpenBLAS's for a tenth of a second),
 * and a compiler may still be at work; on few cores either slows whoever comes next.
 */
final class Standstill {
  private static final int POLL_MILLIS = 5;

  /** Longer than two of the ticks in which systems count processor time. */
  private static final int STILL_MILLIS = 25;

  private Standstill() {}

  /**
   * Waits until no clock has moved for a while.
   *
   * @param clocks each process's processor time, empty where that is not known
   * @param mostMillis to wait, all in all
   * @return false where it took longer than that
   */
  static boolean await(Collection<? extends Supplier<Optional<Duration>>> clocks, long mostMillis) {
    long start = System.nanoTime();
    long still = start;
    List<Optional<Duration>> last = read(clocks);
    if (last.stream().allMatch(Optional::isEmpty)) return true;
    while (true) {
      try {
        Thread.sleep(POLL_MILLIS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return false;
      }
      long now = System.nanoTime();
      List<Optional<Duration>> next = read(clocks);
      if (!next.equals(last)) still = now;
      last = next;
      if (now - still >= STILL_MILLIS * 1_000_000L) return true;
      if (now - start >= mostMillis * 1_000_000L) return false;
    }
  }

  private static List<Optional<Duration>> read(
      Collection<? extends Supplier<Optional<Duration>>> clocks) {
    return clocks.stream().<Optional<Duration>>map(Supplier::get).toList();
  }
}
