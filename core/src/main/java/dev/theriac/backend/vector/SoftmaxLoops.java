package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.ExpConstants.EXP_LOW;
import static dev.theriac.backend.vector.ExpConstants.LOG2E;
import static dev.theriac.backend.vector.ExpConstants.MAGIC;
import static dev.theriac.backend.vector.ExpConstants.P1;
import static dev.theriac.backend.vector.ExpConstants.P2;
import static dev.theriac.backend.vector.ExpConstants.P3;
import static dev.theriac.backend.vector.ExpConstants.P4;
import static dev.theriac.backend.vector.ExpConstants.P5;
import static dev.theriac.backend.vector.ExpConstants.P6;
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
 * scratch} holds a vector, and a second one where a loop leaves a maximum.
 *
 * <p>The loops of several jobs compute with one row while they read the next: arithmetic and memory
 * then overlap, where loops of one job each would wait for one after the other. Sums are added up
 * in the same order by all of them.
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
    FloatVector sum0 = FloatVector.zero(SPECIES);
    FloatVector sum1 = sum0;
    int i = 0;
    for (; i <= n - 2 * LENGTH; i += 2 * LENGTH) {
      long o = 4L * i;
      FloatVector t0 = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(max);
      FloatVector eM0 = t0.fma(LOG2E, MAGIC);
      FloatVector eN0 = FloatVector.broadcast(SPECIES, MAGIC).sub(eM0);
      FloatVector eR0 = t0.fma(FloatVector.broadcast(SPECIES, LOG2E), eN0);
      FloatVector e0 =
          eR0.fma(P6, P5)
              .fma(eR0, FloatVector.broadcast(SPECIES, P4))
              .fma(eR0, FloatVector.broadcast(SPECIES, P3));
      e0 =
          e0.fma(eR0, FloatVector.broadcast(SPECIES, P2))
              .fma(eR0, FloatVector.broadcast(SPECIES, P1))
              .fma(eR0, FloatVector.broadcast(SPECIES, 1f));
      e0 = e0.mul(eM0.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e0 = e0.blend(0f, t0.compare(LT, EXP_LOW));
      sum0 = sum0.add(e0);
      e0.intoMemorySegment(ALL, y + o, LE);
      o += BYTES;
      FloatVector t1 = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(max);
      FloatVector eM1 = t1.fma(LOG2E, MAGIC);
      FloatVector eN1 = FloatVector.broadcast(SPECIES, MAGIC).sub(eM1);
      FloatVector eR1 = t1.fma(FloatVector.broadcast(SPECIES, LOG2E), eN1);
      FloatVector e1 =
          eR1.fma(P6, P5)
              .fma(eR1, FloatVector.broadcast(SPECIES, P4))
              .fma(eR1, FloatVector.broadcast(SPECIES, P3));
      e1 =
          e1.fma(eR1, FloatVector.broadcast(SPECIES, P2))
              .fma(eR1, FloatVector.broadcast(SPECIES, P1))
              .fma(eR1, FloatVector.broadcast(SPECIES, 1f));
      e1 = e1.mul(eM1.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e1 = e1.blend(0f, t1.compare(LT, EXP_LOW));
      sum1 = sum1.add(e1);
      e1.intoMemorySegment(ALL, y + o, LE);
    }
    if (i < n) {
      long o = 4L * i;
      FloatVector t0 = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(max);
      FloatVector eM0 = t0.fma(LOG2E, MAGIC);
      FloatVector eN0 = FloatVector.broadcast(SPECIES, MAGIC).sub(eM0);
      FloatVector eR0 = t0.fma(FloatVector.broadcast(SPECIES, LOG2E), eN0);
      FloatVector e0 =
          eR0.fma(P6, P5)
              .fma(eR0, FloatVector.broadcast(SPECIES, P4))
              .fma(eR0, FloatVector.broadcast(SPECIES, P3));
      e0 =
          e0.fma(eR0, FloatVector.broadcast(SPECIES, P2))
              .fma(eR0, FloatVector.broadcast(SPECIES, P1))
              .fma(eR0, FloatVector.broadcast(SPECIES, 1f));
      e0 = e0.mul(eM0.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e0 = e0.blend(0f, t0.compare(LT, EXP_LOW));
      sum0 = sum0.add(e0);
      e0.intoMemorySegment(ALL, y + o, LE);
    }
    sum0.add(sum1).intoMemorySegment(ALL, scratch, LE);
    return Tails.sum(scratch);
  }

  /** {@link #expSum}, and the largest elements of {@code next}. */
  static float expSumMax(long x, long y, int n, float max, long next, long scratch) {
    FloatVector sum0 = FloatVector.zero(SPECIES);
    FloatVector sum1 = sum0;
    FloatVector top0 = FloatVector.broadcast(SPECIES, Float.NEGATIVE_INFINITY);
    FloatVector top1 = top0;
    int i = 0;
    for (; i <= n - 2 * LENGTH; i += 2 * LENGTH) {
      long o = 4L * i;
      FloatVector t0 = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(max);
      FloatVector eM0 = t0.fma(LOG2E, MAGIC);
      FloatVector eN0 = FloatVector.broadcast(SPECIES, MAGIC).sub(eM0);
      FloatVector eR0 = t0.fma(FloatVector.broadcast(SPECIES, LOG2E), eN0);
      FloatVector e0 =
          eR0.fma(P6, P5)
              .fma(eR0, FloatVector.broadcast(SPECIES, P4))
              .fma(eR0, FloatVector.broadcast(SPECIES, P3));
      e0 =
          e0.fma(eR0, FloatVector.broadcast(SPECIES, P2))
              .fma(eR0, FloatVector.broadcast(SPECIES, P1))
              .fma(eR0, FloatVector.broadcast(SPECIES, 1f));
      e0 = e0.mul(eM0.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e0 = e0.blend(0f, t0.compare(LT, EXP_LOW));
      sum0 = sum0.add(e0);
      e0.intoMemorySegment(ALL, y + o, LE);
      FloatVector v0 = FloatVector.fromMemorySegment(SPECIES, ALL, next + o, LE);
      top0 = top0.blend(v0, v0.compare(GT, top0));
      o += BYTES;
      FloatVector t1 = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(max);
      FloatVector eM1 = t1.fma(LOG2E, MAGIC);
      FloatVector eN1 = FloatVector.broadcast(SPECIES, MAGIC).sub(eM1);
      FloatVector eR1 = t1.fma(FloatVector.broadcast(SPECIES, LOG2E), eN1);
      FloatVector e1 =
          eR1.fma(P6, P5)
              .fma(eR1, FloatVector.broadcast(SPECIES, P4))
              .fma(eR1, FloatVector.broadcast(SPECIES, P3));
      e1 =
          e1.fma(eR1, FloatVector.broadcast(SPECIES, P2))
              .fma(eR1, FloatVector.broadcast(SPECIES, P1))
              .fma(eR1, FloatVector.broadcast(SPECIES, 1f));
      e1 = e1.mul(eM1.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e1 = e1.blend(0f, t1.compare(LT, EXP_LOW));
      sum1 = sum1.add(e1);
      e1.intoMemorySegment(ALL, y + o, LE);
      FloatVector v1 = FloatVector.fromMemorySegment(SPECIES, ALL, next + o, LE);
      top1 = top1.blend(v1, v1.compare(GT, top1));
    }
    if (i < n) {
      long o = 4L * i;
      FloatVector t0 = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(max);
      FloatVector eM0 = t0.fma(LOG2E, MAGIC);
      FloatVector eN0 = FloatVector.broadcast(SPECIES, MAGIC).sub(eM0);
      FloatVector eR0 = t0.fma(FloatVector.broadcast(SPECIES, LOG2E), eN0);
      FloatVector e0 =
          eR0.fma(P6, P5)
              .fma(eR0, FloatVector.broadcast(SPECIES, P4))
              .fma(eR0, FloatVector.broadcast(SPECIES, P3));
      e0 =
          e0.fma(eR0, FloatVector.broadcast(SPECIES, P2))
              .fma(eR0, FloatVector.broadcast(SPECIES, P1))
              .fma(eR0, FloatVector.broadcast(SPECIES, 1f));
      e0 = e0.mul(eM0.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e0 = e0.blend(0f, t0.compare(LT, EXP_LOW));
      sum0 = sum0.add(e0);
      e0.intoMemorySegment(ALL, y + o, LE);
      FloatVector v0 = FloatVector.fromMemorySegment(SPECIES, ALL, next + o, LE);
      top0 = top0.blend(v0, v0.compare(GT, top0));
    }
    top0.blend(top1, top1.compare(GT, top0)).intoMemorySegment(ALL, scratch + BYTES, LE);
    sum0.add(sum1).intoMemorySegment(ALL, scratch, LE);
    return Tails.sum(scratch);
  }

  /** Sum of e^(x - max). */
  static float sumExp(long x, int n, float max, long scratch) {
    FloatVector sum0 = FloatVector.zero(SPECIES);
    FloatVector sum1 = sum0;
    int i = 0;
    for (; i <= n - 2 * LENGTH; i += 2 * LENGTH) {
      long o = 4L * i;
      FloatVector t0 = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(max);
      FloatVector eM0 = t0.fma(LOG2E, MAGIC);
      FloatVector eN0 = FloatVector.broadcast(SPECIES, MAGIC).sub(eM0);
      FloatVector eR0 = t0.fma(FloatVector.broadcast(SPECIES, LOG2E), eN0);
      FloatVector e0 =
          eR0.fma(P6, P5)
              .fma(eR0, FloatVector.broadcast(SPECIES, P4))
              .fma(eR0, FloatVector.broadcast(SPECIES, P3));
      e0 =
          e0.fma(eR0, FloatVector.broadcast(SPECIES, P2))
              .fma(eR0, FloatVector.broadcast(SPECIES, P1))
              .fma(eR0, FloatVector.broadcast(SPECIES, 1f));
      e0 = e0.mul(eM0.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e0 = e0.blend(0f, t0.compare(LT, EXP_LOW));
      sum0 = sum0.add(e0);
      o += BYTES;
      FloatVector t1 = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(max);
      FloatVector eM1 = t1.fma(LOG2E, MAGIC);
      FloatVector eN1 = FloatVector.broadcast(SPECIES, MAGIC).sub(eM1);
      FloatVector eR1 = t1.fma(FloatVector.broadcast(SPECIES, LOG2E), eN1);
      FloatVector e1 =
          eR1.fma(P6, P5)
              .fma(eR1, FloatVector.broadcast(SPECIES, P4))
              .fma(eR1, FloatVector.broadcast(SPECIES, P3));
      e1 =
          e1.fma(eR1, FloatVector.broadcast(SPECIES, P2))
              .fma(eR1, FloatVector.broadcast(SPECIES, P1))
              .fma(eR1, FloatVector.broadcast(SPECIES, 1f));
      e1 = e1.mul(eM1.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e1 = e1.blend(0f, t1.compare(LT, EXP_LOW));
      sum1 = sum1.add(e1);
    }
    if (i < n) {
      long o = 4L * i;
      FloatVector t0 = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(max);
      FloatVector eM0 = t0.fma(LOG2E, MAGIC);
      FloatVector eN0 = FloatVector.broadcast(SPECIES, MAGIC).sub(eM0);
      FloatVector eR0 = t0.fma(FloatVector.broadcast(SPECIES, LOG2E), eN0);
      FloatVector e0 =
          eR0.fma(P6, P5)
              .fma(eR0, FloatVector.broadcast(SPECIES, P4))
              .fma(eR0, FloatVector.broadcast(SPECIES, P3));
      e0 =
          e0.fma(eR0, FloatVector.broadcast(SPECIES, P2))
              .fma(eR0, FloatVector.broadcast(SPECIES, P1))
              .fma(eR0, FloatVector.broadcast(SPECIES, 1f));
      e0 = e0.mul(eM0.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e0 = e0.blend(0f, t0.compare(LT, EXP_LOW));
      sum0 = sum0.add(e0);
    }
    sum0.add(sum1).intoMemorySegment(ALL, scratch, LE);
    return Tails.sum(scratch);
  }

  /** {@link #sumExp}, and the largest elements of {@code next}. */
  static float sumExpMax(long x, int n, float max, long next, long scratch) {
    FloatVector sum0 = FloatVector.zero(SPECIES);
    FloatVector sum1 = sum0;
    FloatVector top0 = FloatVector.broadcast(SPECIES, Float.NEGATIVE_INFINITY);
    FloatVector top1 = top0;
    int i = 0;
    for (; i <= n - 2 * LENGTH; i += 2 * LENGTH) {
      long o = 4L * i;
      FloatVector t0 = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(max);
      FloatVector eM0 = t0.fma(LOG2E, MAGIC);
      FloatVector eN0 = FloatVector.broadcast(SPECIES, MAGIC).sub(eM0);
      FloatVector eR0 = t0.fma(FloatVector.broadcast(SPECIES, LOG2E), eN0);
      FloatVector e0 =
          eR0.fma(P6, P5)
              .fma(eR0, FloatVector.broadcast(SPECIES, P4))
              .fma(eR0, FloatVector.broadcast(SPECIES, P3));
      e0 =
          e0.fma(eR0, FloatVector.broadcast(SPECIES, P2))
              .fma(eR0, FloatVector.broadcast(SPECIES, P1))
              .fma(eR0, FloatVector.broadcast(SPECIES, 1f));
      e0 = e0.mul(eM0.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e0 = e0.blend(0f, t0.compare(LT, EXP_LOW));
      sum0 = sum0.add(e0);
      FloatVector v0 = FloatVector.fromMemorySegment(SPECIES, ALL, next + o, LE);
      top0 = top0.blend(v0, v0.compare(GT, top0));
      o += BYTES;
      FloatVector t1 = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(max);
      FloatVector eM1 = t1.fma(LOG2E, MAGIC);
      FloatVector eN1 = FloatVector.broadcast(SPECIES, MAGIC).sub(eM1);
      FloatVector eR1 = t1.fma(FloatVector.broadcast(SPECIES, LOG2E), eN1);
      FloatVector e1 =
          eR1.fma(P6, P5)
              .fma(eR1, FloatVector.broadcast(SPECIES, P4))
              .fma(eR1, FloatVector.broadcast(SPECIES, P3));
      e1 =
          e1.fma(eR1, FloatVector.broadcast(SPECIES, P2))
              .fma(eR1, FloatVector.broadcast(SPECIES, P1))
              .fma(eR1, FloatVector.broadcast(SPECIES, 1f));
      e1 = e1.mul(eM1.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e1 = e1.blend(0f, t1.compare(LT, EXP_LOW));
      sum1 = sum1.add(e1);
      FloatVector v1 = FloatVector.fromMemorySegment(SPECIES, ALL, next + o, LE);
      top1 = top1.blend(v1, v1.compare(GT, top1));
    }
    if (i < n) {
      long o = 4L * i;
      FloatVector t0 = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(max);
      FloatVector eM0 = t0.fma(LOG2E, MAGIC);
      FloatVector eN0 = FloatVector.broadcast(SPECIES, MAGIC).sub(eM0);
      FloatVector eR0 = t0.fma(FloatVector.broadcast(SPECIES, LOG2E), eN0);
      FloatVector e0 =
          eR0.fma(P6, P5)
              .fma(eR0, FloatVector.broadcast(SPECIES, P4))
              .fma(eR0, FloatVector.broadcast(SPECIES, P3));
      e0 =
          e0.fma(eR0, FloatVector.broadcast(SPECIES, P2))
              .fma(eR0, FloatVector.broadcast(SPECIES, P1))
              .fma(eR0, FloatVector.broadcast(SPECIES, 1f));
      e0 = e0.mul(eM0.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e0 = e0.blend(0f, t0.compare(LT, EXP_LOW));
      sum0 = sum0.add(e0);
      FloatVector v0 = FloatVector.fromMemorySegment(SPECIES, ALL, next + o, LE);
      top0 = top0.blend(v0, v0.compare(GT, top0));
    }
    top0.blend(top1, top1.compare(GT, top0)).intoMemorySegment(ALL, scratch + BYTES, LE);
    sum0.add(sum1).intoMemorySegment(ALL, scratch, LE);
    return Tails.sum(scratch);
  }

  /** y = scale e^(x - shift). */
  static void expScaled(long x, long y, int n, float shift, float scale) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector t = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(shift);
      FloatVector eM = t.fma(LOG2E, MAGIC);
      FloatVector eN = FloatVector.broadcast(SPECIES, MAGIC).sub(eM);
      FloatVector eR = t.fma(FloatVector.broadcast(SPECIES, LOG2E), eN);
      FloatVector e =
          eR.fma(P6, P5)
              .fma(eR, FloatVector.broadcast(SPECIES, P4))
              .fma(eR, FloatVector.broadcast(SPECIES, P3));
      e =
          e.fma(eR, FloatVector.broadcast(SPECIES, P2))
              .fma(eR, FloatVector.broadcast(SPECIES, P1))
              .fma(eR, FloatVector.broadcast(SPECIES, 1f));
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
      FloatVector eN = FloatVector.broadcast(SPECIES, MAGIC).sub(eM);
      FloatVector eR = t.fma(FloatVector.broadcast(SPECIES, LOG2E), eN);
      FloatVector e =
          eR.fma(P6, P5)
              .fma(eR, FloatVector.broadcast(SPECIES, P4))
              .fma(eR, FloatVector.broadcast(SPECIES, P3));
      e =
          e.fma(eR, FloatVector.broadcast(SPECIES, P2))
              .fma(eR, FloatVector.broadcast(SPECIES, P1))
              .fma(eR, FloatVector.broadcast(SPECIES, 1f));
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
