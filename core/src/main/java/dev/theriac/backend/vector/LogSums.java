package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.tensor.Host;

/**
 * log(sum(e^x)) of rows, for log-softmax and cross-entropy. A row is taken in blocks: while one is
 * summed up, relative to the largest element so far, the next one is searched for its largest, so
 * that each element comes from memory once, however long the row is.
 *
 * <p>What is known of a row, and of the first block of the next one, stays in scratch memory: an
 * object for each task would be garbage.
 */
final class LogSums {
  /** Elements of a block; its second reading is from the first-level cache. */
  private static final int BLOCK = 4096;

  /** Where in the scratch the end of a row lies, after sums and maxima. */
  private static final long END = 2 * BYTES;

  private static final long MAX = 3 * BYTES;
  private static final long AHEAD = MAX + 4;
  private static final long SUM = MAX + 8;

  private LogSums() {}

  /** Scratch of this thread, to be given to {@link #row} for rows of one task. */
  static long start() {
    long state = Tails.vectors(4);
    Host.setFloat(state + AHEAD, Float.NaN);
    return state;
  }

  /**
   * Sums up the {@code n} elements at {@code x}; {@link #max} and {@link #log} then tell the
   * result.
   *
   * @param next the row that will be asked for next, or 0
   */
  static void row(long x, int n, long next, long state) {
    int whole = n & -LENGTH;
    int blocks = Math.max(1, (whole + BLOCK - 1) / BLOCK);
    int block = Math.max(LENGTH, (whole + blocks - 1) / blocks + LENGTH - 1 & -LENGTH);
    Host.setFloat(state + MAX, Float.NEGATIVE_INFINITY);
    setSum(state, 0);
    for (int i = 0; i < whole; i += block) {
      long at = x + 4L * i;
      int count = Math.min(block, whole - i);
      float top = Host.getFloat(state + AHEAD);
      if (Float.isNaN(top)) top = SoftmaxLoops.max(at, count);
      Host.setFloat(state + AHEAD, Float.NaN);
      if (!raise(top, at, count, state)) continue;
      float max = Host.getFloat(state + MAX);
      int left = whole - i - count;
      long after = left > 0 ? at + 4L * count : next;
      if (after != 0 && count == Math.min(block, left > 0 ? left : whole)) {
        add(state, SoftmaxLoops.sumExpMax(at, count, max, after, state));
        Host.setFloat(state + AHEAD, SoftmaxLoops.max(state + BYTES, LENGTH));
      } else {
        add(state, SoftmaxLoops.sumExp(at, count, max, state));
      }
    }
    if (whole == n) return;
    long end = state + END;
    Tails.pad(x + 4L * whole, end, n - whole, Float.NEGATIVE_INFINITY);
    if (raise(SoftmaxLoops.max(end, LENGTH), end, n - whole, state)) {
      add(state, SoftmaxLoops.sumExp(end, LENGTH, Host.getFloat(state + MAX), state));
    }
  }

  private static void add(long state, float part) {
    setSum(state, sum(state) + part);
  }

  /** Takes a block's largest element into account; false when there is nothing to sum up. */
  private static boolean raise(float top, long at, int count, long state) {
    float max = Host.getFloat(state + MAX);
    if (top > max) {
      if (max != Float.NEGATIVE_INFINITY) {
        double kept = sum(state) * StrictMath.exp((double) max - top);
        setSum(state, kept);
      }
      Host.setFloat(state + MAX, top);
      return true;
    }
    if (max != Float.NEGATIVE_INFINITY) return true;
    if (hasNan(at, count)) setSum(state, Double.NaN);
    return false;
  }

  /** Largest element of the last row; NaN when it held nothing but -infinity and NaN. */
  static float max(long state) {
    float max = Host.getFloat(state + MAX);
    boolean lost = max == Float.NEGATIVE_INFINITY && Double.isNaN(sum(state));
    return lost ? Float.NaN : max;
  }

  /** Logarithm of the sum of e^(x - max), 0 for a row of nothing. */
  static double log(long state) {
    boolean nothing = Host.getFloat(state + MAX) == Float.NEGATIVE_INFINITY;
    return nothing ? 0 : StrictMath.log(sum(state));
  }

  private static double sum(long state) {
    return Double.longBitsToDouble(Host.getLong(state + SUM));
  }

  private static void setSum(long state, double value) {
    Host.setLong(state + SUM, Double.doubleToRawLongBits(value));
  }

  static boolean hasNan(long x, int n) {
    for (int i = 0; i < n; i++) if (Float.isNaN(Host.getFloat(x + 4L * i))) return true;
    return false;
  }
}
