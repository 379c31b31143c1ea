package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.LE;
import static jdk.incubator.vector.VectorOperators.LT;

import dev.theriac.tensor.Host;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/**
 * Comparisons and choices over whole vectors, between masks and bytes of 0 and 1. Eight bits become
 * eight bytes, and back, by a multiplication.
 */
final class CompareLoops {
  private static final long ONES = 0x0101010101010101L;

  /** Bit i in byte i. */
  private static final long BITS = 0x8040201008040201L;

  private static final long SEVENS = 0x7f7f7f7f7f7f7f7fL;

  private CompareLoops() {}

  /** y = a < b as bytes. */
  static void less(long a, long b, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, a + 4L * i, Lanes.LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, b + 4L * i, Lanes.LE);
      bytes(v.compare(LT, w).toLong(), y + i);
    }
  }

  /** y = a <= b as bytes. */
  static void lessOrEqual(long a, long b, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, a + 4L * i, Lanes.LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, b + 4L * i, Lanes.LE);
      bytes(v.compare(LE, w).toLong(), y + i);
    }
  }

  /** y = a == b as bytes where {@code not} is 0, a != b where it is -1. */
  static void equal(long a, long b, long y, int n, long not) {
    for (int i = 0; i < n; i += LENGTH) {
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, a + 4L * i, Lanes.LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, b + 4L * i, Lanes.LE);
      bytes(v.compare(EQ, w).toLong() ^ not, y + i);
    }
  }

  private static void bytes(long mask, long y) {
    if (LENGTH == 4) {
      Host.setInt(y, (int) spread(mask));
      return;
    }
    Host.setLong(y, spread(mask));
    if (LENGTH == 16) Host.setLong(y + 8, spread(mask >>> 8));
  }

  private static long spread(long mask) {
    return ((mask & 0xff) * ONES & BITS) + SEVENS >>> 7 & ONES;
  }

  /** y = c != 0 ? a : b; elements of a and b are {@code stepA} and {@code stepB} (0 or 4) apart. */
  static void select(long c, long a, long stepA, long b, long stepB, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, a + i * stepA, Lanes.LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, b + i * stepB, Lanes.LE);
      long mask = LENGTH == 4 ? gather(Host.getInt(c + i)) : gather(Host.getLong(c + i));
      if (LENGTH == 16) mask |= gather(Host.getLong(c + i + 8)) << 8;
      w.blend(v, VectorMask.fromLong(SPECIES, mask)).intoMemorySegment(ALL, y + 4L * i, Lanes.LE);
    }
  }

  /** Bit i is set where byte i is not 0. */
  private static long gather(long bytes) {
    long ones = ((bytes & SEVENS) + SEVENS | bytes) >>> 7 & ONES;
    return ones * 0x0102040810204080L >>> 56;
  }
}
