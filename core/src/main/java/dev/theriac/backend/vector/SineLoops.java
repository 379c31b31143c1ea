package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.XOR;

import dev.theriac.tensor.Host;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Sine and cosine over whole vectors. x = q pi/2 + r with |r| at most pi/4, pi/2 in three parts of
 * which the first is so short that q times it is exact up to {@link #END}; what is left when it is
 * taken off is exact too, and so is the next difference wherever it is small. sin r and cos r by
 * polynomials (Moshier, Cephes, sinf). Larger arguments are done one by one in float64.
 */
final class SineLoops {
  /** Arguments beyond this, infinite ones and NaN take the long way. */
  private static final float END = 8192f;

  private static final float ROUND = 12582912f;
  private static final float TWO_OVER_PI = 0.63661977236758134f;
  private static final float PART_1 = 1.5703125f;
  private static final float PART_2 = (float) (Math.PI / 2 - PART_1);

  /** With the digits of pi / 2 that float64 has no room for. */
  private static final float PART_3 =
      (float) (Math.PI / 2 - PART_1 - PART_2 + 6.123233995736766e-17);

  private SineLoops() {}

  /** y = sin(x + quarter pi / 2). {@code scratch} holds a vector. */
  static void sine(long x, long y, int n, int quarter, long scratch) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);

      FloatVector m = v.fma(TWO_OVER_PI, ROUND);
      FloatVector k = m.sub(ROUND);
      FloatVector r = k.fma(FloatVector.broadcast(SPECIES, -PART_1), v);
      r = k.fma(FloatVector.broadcast(SPECIES, -PART_2), r);
      r = k.fma(FloatVector.broadcast(SPECIES, -PART_3), r);
      FloatVector z = r.mul(r);
      FloatVector s = z.fma(-1.9515295891e-4f, 8.3321608736e-3f);
      s = s.fma(z, FloatVector.broadcast(SPECIES, -1.6666654611e-1f)).mul(z).fma(r, r);
      FloatVector c = z.fma(2.443315711809948e-5f, -1.388731625493765e-3f);
      c = c.fma(z, FloatVector.broadcast(SPECIES, 4.166664568298827e-2f)).mul(z);
      c = c.fma(z, z.fma(-0.5f, 1f));
      IntVector q = m.reinterpretAsInts().add(quarter);
      IntVector sign = q.and(2).lanewise(LSHL, 30);
      // k and the parts lose the sign of zero.
      IntVector bits = s.blend(v, v.compare(EQ, 0f)).reinterpretAsInts();
      bits = bits.blend(c.reinterpretAsInts(), q.and(1).compare(EQ, 1));
      boolean far = !v.abs().compare(VectorOperators.LE, END).allTrue();
      bits = bits.lanewise(XOR, sign);
      if (i == 0 | far) {
        v.intoMemorySegment(ALL, scratch, LE); // y may be x
        bits.intoMemorySegment(ALL, y + o, LE);
        large(scratch, 0, y + o, quarter);
        continue;
      }
      bits.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** d = g sin(x + quarter pi / 2); d may be g. {@code scratch} holds two vectors. */
  static void timesSine(long x, long g, long d, int n, int quarter, long scratch) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);

      FloatVector m = v.fma(TWO_OVER_PI, ROUND);
      FloatVector k = m.sub(ROUND);
      FloatVector r = k.fma(FloatVector.broadcast(SPECIES, -PART_1), v);
      r = k.fma(FloatVector.broadcast(SPECIES, -PART_2), r);
      r = k.fma(FloatVector.broadcast(SPECIES, -PART_3), r);
      FloatVector z = r.mul(r);
      FloatVector s = z.fma(-1.9515295891e-4f, 8.3321608736e-3f);
      s = s.fma(z, FloatVector.broadcast(SPECIES, -1.6666654611e-1f)).mul(z).fma(r, r);
      FloatVector c = z.fma(2.443315711809948e-5f, -1.388731625493765e-3f);
      c = c.fma(z, FloatVector.broadcast(SPECIES, 4.166664568298827e-2f)).mul(z);
      c = c.fma(z, z.fma(-0.5f, 1f));
      IntVector q = m.reinterpretAsInts().add(quarter);
      IntVector sign = q.and(2).lanewise(LSHL, 30);
      // k and the parts lose the sign of zero.
      IntVector bits = s.blend(v, v.compare(EQ, 0f)).reinterpretAsInts();
      bits = bits.blend(c.reinterpretAsInts(), q.and(1).compare(EQ, 1));
      boolean far = !v.abs().compare(VectorOperators.LE, END).allTrue();
      FloatVector f = bits.lanewise(XOR, sign).reinterpretAsFloats().mul(w);
      if (i == 0 | far) {
        v.intoMemorySegment(ALL, scratch, LE); // d may be x or g
        w.intoMemorySegment(ALL, scratch + BYTES, LE);
        f.intoMemorySegment(ALL, d + o, LE);
        large(scratch, scratch + BYTES, d + o, quarter);
        continue;
      }
      f.intoMemorySegment(ALL, d + o, LE);
    }
  }

  /**
   * Overwrites the elements of one vector whose arguments are too large for the loops; factors at
   * {@code g} unless that is 0.
   */
  private static void large(long x, long g, long y, int quarter) {
    for (int i = 0; i < LENGTH; i++) {
      double value = Host.getFloat(x + 4L * i);
      if (Math.abs(value) <= END) continue;
      double result = (quarter & 1) == 0 ? StrictMath.sin(value) : StrictMath.cos(value);
      if (quarter > 1) result = -result;
      if (g != 0) result *= Host.getFloat(g + 4L * i);
      Host.setFloat(y + 4L * i, (float) result);
    }
  }
}
