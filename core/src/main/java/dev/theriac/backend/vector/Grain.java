package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.LENGTH;

/**
 * What a task must be worth: the one place that decides from which size on operations use several
 * threads. Each states what its work costs on one thread with its tensors in the cache; where all
 * of it is worth less than one task, the caller does it alone.
 *
 * <p>A fork and join costs 0.1 to 0.3 microseconds while other threads are awake, and their share
 * of the tensors has to cross from core to core; two threads are faster from 1 (few rows), 2
 * (additions) to 6 microseconds (products, AdamW) of work on. Waking a thread that is parked costs
 * the caller about 10 microseconds. {@code theriac bench forks} measures where two threads begin to
 * pay.
 *
 * <p>How work is cut shows in no result. Sums that are cut into parts have parts of their own fixed
 * size instead.
 */
final class Grain {
  /** Nanoseconds of work in a task; the property is for the benchmark that looks for the best. */
  private static final long TASK_NANOS = Math.max(1, Long.getLong("theriac.task.nanos", 4_000));

  /** An element that is read, put through a few instructions, and written. */
  static final double MOVE = 0.14;

  /** An element of a row that is rotated. */
  static final double ROW = 0.2;

  /** An element of a norm: 0.3 for RMSNorm, 0.58 for LayerNorm. */
  static final double NORM = 0.45;

  /** An element that goes through an exponential or a polynomial, and one of an optimiser's. */
  static final double FUNCTION = 0.3;

  /** A multiply-add of a packed matrix product. */
  static final double PRODUCT = 1 / 60.0;

  /** A multiply-add of attention. */
  static final double ATTENTION = 1 / 35.0;

  /** A multiply-add with a quantised weight, of which each serves few rows. */
  static final double QUANTISED = 1 / 15.0;

  /** A byte of a matrix that is read once for few rows. */
  static final double WEIGHT_BYTE = 1 / 16.0;

  private Grain() {}

  /** Units of work, each of so many nanoseconds, that make a task: a power of two. */
  static long of(double nanos) {
    return 1L << Math.max(0, Math.round(Math.log(TASK_NANOS / nanos) / Math.log(2)));
  }

  /** Rows of a task, where {@code elements} are one. */
  static long rows(long elements, long columns) {
    return Math.max(1, elements / Math.max(LENGTH, columns));
  }
}
