package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.MAX;
import static jdk.incubator.vector.VectorOperators.XOR;

import dev.theriac.tensor.Host;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The largest and the smallest element of a row. A float maximum in Java's sense (NaN wins, -0 is
 * below 0) is five instructions and a long chain; as whole numbers, with the lower bits of negative
 * ones inverted, floats have the same order and a maximum is one.
 */
final class ExtremeLoops {
  private static final VectorSpecies<Integer> INTS = SPECIES.withLanes(int.class);
  private static final int INFINITY = 0x7f800000;

  private ExtremeLoops() {}

  /** A whole number in the order of the floats; its own inverse. */
  private static int key(int bits) {
    return bits ^ bits >> 31 >>> 1;
  }

  /**
   * The largest of n >= 1 elements where {@code flip} is 0, the smallest where it is -1; NaN when
   * there is one. {@code scratch} holds two vectors.
   */
  static float extreme(long x, int n, int flip, long scratch) {
    int whole = n & -LENGTH;
    int best = Integer.MIN_VALUE;
    int size = 0;
    if (whole > 0) {
      keys(x, whole, flip, scratch);
      for (int i = 0; i < LENGTH; i++) {
        best = Math.max(best, Host.getInt(scratch + 4L * i));
        size = Math.max(size, Host.getInt(scratch + BYTES + 4L * i));
      }
    }
    for (int i = whole; i < n; i++) {
      int bits = Host.getInt(x + 4L * i);
      best = Math.max(best, key(bits) ^ flip);
      size = Math.max(size, bits & 0x7fffffff);
    }
    return size > INFINITY ? Float.NaN : Float.intBitsToFloat(key(best ^ flip));
  }

  /** Lane by lane, the largest key and the largest magnitude, by which NaN is found. */
  private static void keys(long x, int n, int flip, long scratch) {
    IntVector best = IntVector.broadcast(INTS, Integer.MIN_VALUE);
    IntVector size = IntVector.zero(INTS);
    for (int i = 0; i < n; i += LENGTH) {
      IntVector b = IntVector.fromMemorySegment(INTS, ALL, x + 4L * i, LE);
      IntVector low = b.lanewise(ASHR, 31).lanewise(LSHR, 1);
      best = best.lanewise(MAX, b.lanewise(XOR, low).lanewise(XOR, flip));
      size = size.lanewise(MAX, b.and(0x7fffffff));
    }
    best.intoMemorySegment(ALL, scratch, LE);
    size.intoMemorySegment(ALL, scratch + BYTES, LE);
  }

  /** Index of the first largest element that is a number; 0 when none is. */
  static int argmax(long x, int n) {
    int whole = n & -LENGTH;
    float top = whole > 0 ? SoftmaxLoops.max(x, whole) : Float.NEGATIVE_INFINITY;
    for (int i = whole; i < n; i++) {
      float value = Host.getFloat(x + 4L * i);
      if (value > top) top = value;
    }
    for (int i = whole > 0 ? find(x, whole, top) : 0; i < n; i++) {
      if (Host.getFloat(x + 4L * i) == top) return i;
    }
    return 0;
  }

  /** Index of the first element of the first vector with {@code value}; n when there is none. */
  private static int find(long x, int n, float value) {
    int i = 0;
    while (i < n
        && !FloatVector.fromMemorySegment(SPECIES, ALL, x + 4L * i, LE)
            .compare(EQ, value)
            .anyTrue()) {
      i += LENGTH;
    }
    return i;
  }
}
