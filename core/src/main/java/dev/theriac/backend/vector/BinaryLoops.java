package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.ExpConstants.EXP_HIGH;
import static dev.theriac.backend.vector.ExpConstants.EXP_LOW;
import static dev.theriac.backend.vector.ExpConstants.LN2_HIGH;
import static dev.theriac.backend.vector.ExpConstants.LN2_LOW;
import static dev.theriac.backend.vector.ExpConstants.LOG2E;
import static dev.theriac.backend.vector.ExpConstants.ROUND;
import static dev.theriac.backend.vector.ExpConstants.X2;
import static dev.theriac.backend.vector.ExpConstants.X3;
import static dev.theriac.backend.vector.ExpConstants.X4;
import static dev.theriac.backend.vector.ExpConstants.X5;
import static dev.theriac.backend.vector.ExpConstants.X6;
import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;

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

      FloatVector t = v.neg();
      FloatVector eM = t.fma(LOG2E, ROUND);
      FloatVector eN = eM.sub(ROUND);
      FloatVector eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), t);
      eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), eR);
      FloatVector eS = eR.mul(eR);
      FloatVector eH = eS.fma(FloatVector.broadcast(SPECIES, X6), eR.fma(X5, X4));
      FloatVector e = eH.fma(eS, eR.fma(X3, X2)).fma(eS, eR).add(1f);
      IntVector eB = eM.reinterpretAsInts().lanewise(LSHL, 23).add(e.reinterpretAsInts());
      e = eB.reinterpretAsFloats();
      FloatVector r = v.div(e.add(1f));
      r = r.blend(-0f, t.compare(GT, EXP_HIGH)).blend(v, t.compare(LT, EXP_LOW)).mul(w);
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

      FloatVector t = v.neg();
      FloatVector eM = t.fma(LOG2E, ROUND);
      FloatVector eN = eM.sub(ROUND);
      FloatVector eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), t);
      eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), eR);
      FloatVector eS = eR.mul(eR);
      FloatVector eH = eS.fma(FloatVector.broadcast(SPECIES, X6), eR.fma(X5, X4));
      FloatVector e = eH.fma(eS, eR.fma(X3, X2)).fma(eS, eR).add(1f);
      IntVector eB = eM.reinterpretAsInts().lanewise(LSHL, 23).add(e.reinterpretAsInts());
      e = eB.reinterpretAsFloats();
      FloatVector s = FloatVector.broadcast(SPECIES, 1f).div(e.add(1f));
      FloatVector r = e.mul(s).mul(v).fma(s, s);
      VectorMask<Float> none = t.compare(GT, EXP_HIGH);
      VectorMask<Float> all = t.compare(LT, EXP_LOW);
      FloatVector up = v.mul(s).blend(-0f, none).blend(v, all).mul(k);
      FloatVector gate = r.blend(0f, none).blend(1f, all).mul(w).mul(k);
      gate.intoMemorySegment(ALL, da + o, LE);
      up.intoMemorySegment(ALL, db + o, LE);
    }
  }
}
