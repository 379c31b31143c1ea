package dev.theriac.bench.frame;

import java.util.Set;

/** One program that does a problem's work, in parts that can be timed apart. Not thread-safe. */
public interface Engine extends AutoCloseable {
  /**
   * System property: with {@code true} an engine starts as a user's program does, without having
   * all its kernels compiled first, which takes memory of its own.
   */
  String AS_FOUND = "theriac.bench.asfound";

  /** Product and version, as tables show it. */
  String name();

  /** What {@link #run} knows. */
  Set<String> stages();

  /**
   * Does the work of one stage once, its inputs being there already.
   *
   * @throws IllegalArgumentException for a stage that is not among {@link #stages()}
   */
  void run(String stage);

  /**
   * Entries of what the last calls computed, to be compared with float64.
   *
   * @param tensor a name that the problem defines
   * @param indices flat, row-major
   */
  double[] values(String tensor, long[] indices);

  /**
   * Forgets what was set up, so that the next call begins with the inputs as they were at first.
   */
  default void restart() {}

  /** Highest off-heap bytes during one call, above what was held before; -1 where not known. */
  default long peakBytes(String stage) {
    return -1;
  }

  @Override
  void close();
}
