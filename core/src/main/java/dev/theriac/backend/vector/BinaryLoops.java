package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.ExpConstants.E1;
import static dev.theriac.backend.vector.ExpConstants.E2;
import static dev.theriac.backend.vector.ExpConstants.E3;
import static dev.theriac.backend.vector.ExpConstants.E4;
import static dev.theriac.backend.vector.ExpConstants.E5;
import static dev.theriac.backend.vector.ExpConstants.E6;
import static dev.theriac.backend.vector.ExpConstants.EXP_HIGH;
import static dev.theriac.backend.vector.ExpConstants.EXP_LOW;
import static dev.theriac.backend.vector.ExpConstants.LN2_HIGH;
import static dev.theriac.backend.vector.ExpConstants.LN2_LOW;
import static dev.theriac.backend.vector.ExpConstants.LOG2E;
import static dev.theriac.backend.vector.ExpConstants.MAGIC;
import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;

import jdk.incubator.vector.FloatVector;

/**
 * Functions of two elements, y[i] = f(a[i], b[i]) over whole vectors: n is a multiple of the vector
 * length and outputs may be inputs.
 */
final class BinaryLoops {
  private BinaryLoops() {}

  /** y = scale x + y, rounded once. */
  static void scaledAdd(long x, float scale, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, y + o, LE);
      FloatVector r = v.fma(FloatVector.broadcast(SPECIES, scale), w);
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = a + b. */
  static void add(long a, long b, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, a + o, LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, b + o, LE);
      FloatVector r = v.add(w);
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = a - b. */
  static void sub(long a, long b, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, a + o, LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, b + o, LE);
      FloatVector r = v.sub(w);
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = a b. */
  static void mul(long a, long b, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, a + o, LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, b + o, LE);
      FloatVector r = v.mul(w);
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = a / b. */
  static void div(long a, long b, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, a + o, LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, b + o, LE);
      FloatVector r = v.div(w);
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = max(a, b), NaN when either is. */
  static void maximum(long a, long b, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, a + o, LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, b + o, LE);
      FloatVector r = v.max(w);
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = min(a, b), NaN when either is. */
  static void minimum(long a, long b, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, a + o, LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, b + o, LE);
      FloatVector r = v.min(w);
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = silu(a) b. */
  static void swiglu(long a, long b, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, a + o, LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, b + o, LE);

      FloatVector low = v.blend(-128f, v.compare(LT, -128f));
      FloatVector t = low.neg();
      t = t.blend(EXP_HIGH, t.compare(GT, EXP_HIGH));
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
      FloatVector r = low.div(e.add(1f)).mul(w);
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** Gradients of silu(a) b: da = g b silu'(a) and db = g silu(a). */
  static void swigluGradient(long a, long b, long g, long da, long db, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, a + o, LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, b + o, LE);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);

      FloatVector low = v.blend(-128f, v.compare(LT, -128f));
      FloatVector t = low.neg();
      t = t.blend(EXP_HIGH, t.compare(GT, EXP_HIGH));
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
      FloatVector s = FloatVector.broadcast(SPECIES, 1f).div(e.add(1f));
      FloatVector up = low.mul(s).mul(k);
      FloatVector gate = low.mul(s.neg().fma(s, s)).add(s).mul(w).mul(k);
      gate.intoMemorySegment(ALL, da + o, LE);
      up.intoMemorySegment(ALL, db + o, LE);
    }
  }
}
