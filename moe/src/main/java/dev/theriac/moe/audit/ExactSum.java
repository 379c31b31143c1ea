package dev.theriac.moe.audit;

/**
 * A sum whose bits do not depend on the order of its terms or on how it was put together: terms are
 * rounded to multiples of 2^-32 and added as 128-bit integers.
 */
final class ExactSum {
  private static final double UNIT = 0x1p32;
  private static final double LIMIT = 0x1p30;

  private long high;
  private long low;
  private long count;

  /** Adds a term; one that is not finite, or 2^30 or more from zero, is left out. */
  void add(double value) {
    if (!(Math.abs(value) < LIMIT)) return;
    long q = Math.round(value * UNIT);
    plus(q >> 63, q);
    count++;
  }

  void add(ExactSum other) {
    plus(other.high, other.low);
    count = Math.addExact(count, other.count);
  }

  private void plus(long otherHigh, long otherLow) {
    low += otherLow;
    high += otherHigh + (Long.compareUnsigned(low, otherLow) < 0 ? 1 : 0);
  }

  /** Terms that were added. */
  long count() {
    return count;
  }

  /** NaN for no terms. */
  double mean() {
    // The magnitude, since a small negative sum would be the difference of two huge numbers.
    boolean negative = high < 0;
    long l = negative ? -low : low;
    long h = negative ? ~high + (low == 0 ? 1 : 0) : high;
    double magnitude = (h * 0x1p64 + ((l >>> 1) * 2.0 + (l & 1))) / UNIT / count;
    return negative ? -magnitude : magnitude;
  }
}
