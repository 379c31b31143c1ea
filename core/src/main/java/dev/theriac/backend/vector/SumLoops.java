package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;

/**
 * Sums over one row with four accumulators and one order for each n, a multiple of the vector
 * length. {@code scratch} holds a vector.
 */
final class SumLoops {
  private SumLoops() {}

  /** Sum of x. */
  static float sum(long x, int n, long scratch) {
    FloatVector a = FloatVector.zero(SPECIES);
    FloatVector b = a;
    FloatVector c = a;
    FloatVector d = a;
    int i = 0;
    for (; i <= n - 4 * LENGTH; i += 4 * LENGTH) {
      long p = x + 4L * i;
      a = a.add(FloatVector.fromMemorySegment(SPECIES, ALL, p, LE));
      b = b.add(FloatVector.fromMemorySegment(SPECIES, ALL, p + BYTES, LE));
      c = c.add(FloatVector.fromMemorySegment(SPECIES, ALL, p + 2 * BYTES, LE));
      d = d.add(FloatVector.fromMemorySegment(SPECIES, ALL, p + 3 * BYTES, LE));
    }
    for (; i < n; i += LENGTH) {
      a = a.add(FloatVector.fromMemorySegment(SPECIES, ALL, x + 4L * i, LE));
    }
    a.add(b).add(c.add(d)).intoMemorySegment(ALL, scratch, LE);
    return Tails.sum(scratch);
  }

  /** Sum of x y. */
  static float dot(long x, long y, int n, long scratch) {
    FloatVector a = FloatVector.zero(SPECIES);
    FloatVector b = a;
    FloatVector c = a;
    FloatVector d = a;
    int i = 0;
    for (; i <= n - 4 * LENGTH; i += 4 * LENGTH) {
      long p = x + 4L * i;
      long q = y + 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, p, LE);
      a = v.fma(FloatVector.fromMemorySegment(SPECIES, ALL, q, LE), a);
      v = FloatVector.fromMemorySegment(SPECIES, ALL, p + BYTES, LE);
      b = v.fma(FloatVector.fromMemorySegment(SPECIES, ALL, q + BYTES, LE), b);
      v = FloatVector.fromMemorySegment(SPECIES, ALL, p + 2 * BYTES, LE);
      c = v.fma(FloatVector.fromMemorySegment(SPECIES, ALL, q + 2 * BYTES, LE), c);
      v = FloatVector.fromMemorySegment(SPECIES, ALL, p + 3 * BYTES, LE);
      d = v.fma(FloatVector.fromMemorySegment(SPECIES, ALL, q + 3 * BYTES, LE), d);
    }
    for (; i < n; i += LENGTH) {
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + 4L * i, LE);
      a = v.fma(FloatVector.fromMemorySegment(SPECIES, ALL, y + 4L * i, LE), a);
    }
    a.add(b).add(c.add(d)).intoMemorySegment(ALL, scratch, LE);
    return Tails.sum(scratch);
  }

  /** Sum of (x - mean)^2. */
  static float squares(long x, int n, float mean, long scratch) {
    FloatVector a = FloatVector.zero(SPECIES);
    FloatVector b = a;
    FloatVector c = a;
    FloatVector d = a;
    int i = 0;
    for (; i <= n - 4 * LENGTH; i += 4 * LENGTH) {
      long p = x + 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, p, LE).sub(mean);
      a = v.fma(v, a);
      v = FloatVector.fromMemorySegment(SPECIES, ALL, p + BYTES, LE).sub(mean);
      b = v.fma(v, b);
      v = FloatVector.fromMemorySegment(SPECIES, ALL, p + 2 * BYTES, LE).sub(mean);
      c = v.fma(v, c);
      v = FloatVector.fromMemorySegment(SPECIES, ALL, p + 3 * BYTES, LE).sub(mean);
      d = v.fma(v, d);
    }
    for (; i < n; i += LENGTH) {
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + 4L * i, LE).sub(mean);
      a = v.fma(v, a);
    }
    a.add(b).add(c.add(d)).intoMemorySegment(ALL, scratch, LE);
    return Tails.sum(scratch);
  }
}
