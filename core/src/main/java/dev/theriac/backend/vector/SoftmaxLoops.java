package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.ExpConstants.E1;
import static dev.theriac.backend.vector.ExpConstants.E2;
import static dev.theriac.backend.vector.ExpConstants.E3;
import static dev.theriac.backend.vector.ExpConstants.E4;
import static dev.theriac.backend.vector.ExpConstants.E5;
import static dev.theriac.backend.vector.ExpConstants.E6;
import static dev.theriac.backend.vector.ExpConstants.EXP_LOW;
import static dev.theriac.backend.vector.ExpConstants.LN2_HIGH;
import static dev.theriac.backend.vector.ExpConstants.LN2_LOW;
import static dev.theriac.backend.vector.ExpConstants.LOG2E;
import static dev.theriac.backend.vector.ExpConstants.MAGIC;
import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.MAX;

import jdk.incubator.vector.FloatVector;

/**
 * Parts of softmax and cross-entropy on one row. n is a multiple of the vector length; {@code
 * scratch} holds a vector.
 */
final class SoftmaxLoops {
  private SoftmaxLoops() {}

  /** Largest of n floats, NaN left out; -infinity when there is none. */
  static float max(long x, int n) {
    FloatVector a = FloatVector.broadcast(SPECIES, Float.NEGATIVE_INFINITY);
    FloatVector b = a;
    FloatVector c = a;
    FloatVector d = a;
    int i = 0;
    for (; i <= n - 4 * LENGTH; i += 4 * LENGTH) {
      long p = x + 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, p, LE);
      a = a.blend(v, v.compare(GT, a));
      v = FloatVector.fromMemorySegment(SPECIES, ALL, p + BYTES, LE);
      b = b.blend(v, v.compare(GT, b));
      v = FloatVector.fromMemorySegment(SPECIES, ALL, p + 2 * BYTES, LE);
      c = c.blend(v, v.compare(GT, c));
      v = FloatVector.fromMemorySegment(SPECIES, ALL, p + 3 * BYTES, LE);
      d = d.blend(v, v.compare(GT, d));
    }
    for (; i < n; i += LENGTH) {
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + 4L * i, LE);
      a = a.blend(v, v.compare(GT, a));
    }
    a = a.blend(b, b.compare(GT, a));
    c = c.blend(d, d.compare(GT, c));
    return a.blend(c, c.compare(GT, a)).reduceLanes(MAX);
  }

  /** y = e^(x - max); returns the sum of y. */
  static float expSum(long x, long y, int n, float max, long scratch) {
    FloatVector sum = FloatVector.zero(SPECIES);
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector t = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(max);
      FloatVector eM = t.fma(LOG2E, MAGIC);
      FloatVector eN = eM.sub(MAGIC);
      FloatVector eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), t);
      eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), eR);
      FloatVector e =
          eR.fma(E6, E5)
              .fma(eR, FloatVector.broadcast(SPECIES, E4))
              .fma(eR, FloatVector.broadcast(SPECIES, E3));
      e =
          e.fma(eR, FloatVector.broadcast(SPECIES, E2))
              .fma(eR, FloatVector.broadcast(SPECIES, E1))
              .fma(eR.mul(eR), eR)
              .add(1f);
      e = e.mul(eM.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e = e.blend(0f, t.compare(LT, EXP_LOW));
      sum = sum.add(e);
      e.intoMemorySegment(ALL, y + o, LE);
    }
    sum.intoMemorySegment(ALL, scratch, LE);
    return Tails.sum(scratch);
  }

  /** Sum of e^(x - max). */
  static float sumExp(long x, int n, float max, long scratch) {
    FloatVector sum = FloatVector.zero(SPECIES);
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector t = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(max);
      FloatVector eM = t.fma(LOG2E, MAGIC);
      FloatVector eN = eM.sub(MAGIC);
      FloatVector eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), t);
      eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), eR);
      FloatVector e =
          eR.fma(E6, E5)
              .fma(eR, FloatVector.broadcast(SPECIES, E4))
              .fma(eR, FloatVector.broadcast(SPECIES, E3));
      e =
          e.fma(eR, FloatVector.broadcast(SPECIES, E2))
              .fma(eR, FloatVector.broadcast(SPECIES, E1))
              .fma(eR.mul(eR), eR)
              .add(1f);
      e = e.mul(eM.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e = e.blend(0f, t.compare(LT, EXP_LOW));
      sum = sum.add(e);
    }
    sum.intoMemorySegment(ALL, scratch, LE);
    return Tails.sum(scratch);
  }

  /** y = scale e^(x - shift). */
  static void expScaled(long x, long y, int n, float shift, float scale) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector t = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(shift);
      FloatVector eM = t.fma(LOG2E, MAGIC);
      FloatVector eN = eM.sub(MAGIC);
      FloatVector eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), t);
      eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), eR);
      FloatVector e =
          eR.fma(E6, E5)
              .fma(eR, FloatVector.broadcast(SPECIES, E4))
              .fma(eR, FloatVector.broadcast(SPECIES, E3));
      e =
          e.fma(eR, FloatVector.broadcast(SPECIES, E2))
              .fma(eR, FloatVector.broadcast(SPECIES, E1))
              .fma(eR.mul(eR), eR)
              .add(1f);
      e = e.mul(eM.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e = e.blend(0f, t.compare(LT, EXP_LOW));
      e.mul(scale).intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** d = g - e^y sum. */
  static void logGradient(long y, long g, long d, int n, float sum) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector t = FloatVector.fromMemorySegment(SPECIES, ALL, y + o, LE);
      FloatVector eM = t.fma(LOG2E, MAGIC);
      FloatVector eN = eM.sub(MAGIC);
      FloatVector eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), t);
      eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), eR);
      FloatVector e =
          eR.fma(E6, E5)
              .fma(eR, FloatVector.broadcast(SPECIES, E4))
              .fma(eR, FloatVector.broadcast(SPECIES, E3));
      e =
          e.fma(eR, FloatVector.broadcast(SPECIES, E2))
              .fma(eR, FloatVector.broadcast(SPECIES, E1))
              .fma(eR.mul(eR), eR)
              .add(1f);
      e = e.mul(eM.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e = e.blend(0f, t.compare(LT, EXP_LOW));
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);
      e.neg().fma(FloatVector.broadcast(SPECIES, sum), v).intoMemorySegment(ALL, d + o, LE);
    }
  }

  /** y = x - a - b. */
  static void subtract(long x, long y, int n, float a, float b) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      v.sub(a).sub(b).intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = x scale. */
  static void scale(long x, long y, int n, float scale) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      v.mul(scale).intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** d = y (g - dot). */
  static void gradient(long y, long g, long d, int n, float dot) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE).sub(dot);
      v.mul(FloatVector.fromMemorySegment(SPECIES, ALL, y + o, LE))
          .intoMemorySegment(ALL, d + o, LE);
    }
  }
}
