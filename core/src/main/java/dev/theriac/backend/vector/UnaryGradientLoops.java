package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.ExpConstants.DENSITY_0;
import static dev.theriac.backend.vector.ExpConstants.EXP_HIGH;
import static dev.theriac.backend.vector.ExpConstants.EXP_LOW;
import static dev.theriac.backend.vector.ExpConstants.LN2_HIGH;
import static dev.theriac.backend.vector.ExpConstants.LN2_LOW;
import static dev.theriac.backend.vector.ExpConstants.LN2_REST;
import static dev.theriac.backend.vector.ExpConstants.LN2_SHORT;
import static dev.theriac.backend.vector.ExpConstants.LOG2E;
import static dev.theriac.backend.vector.ExpConstants.MAGIC;
import static dev.theriac.backend.vector.ExpConstants.PHI_1;
import static dev.theriac.backend.vector.ExpConstants.PHI_2;
import static dev.theriac.backend.vector.ExpConstants.PHI_3;
import static dev.theriac.backend.vector.ExpConstants.PHI_4;
import static dev.theriac.backend.vector.ExpConstants.PHI_5;
import static dev.theriac.backend.vector.ExpConstants.PHI_6;
import static dev.theriac.backend.vector.ExpConstants.PHI_7;
import static dev.theriac.backend.vector.ExpConstants.PHI_8;
import static dev.theriac.backend.vector.ExpConstants.PHI_END;
import static dev.theriac.backend.vector.ExpConstants.PHI_T;
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
import static jdk.incubator.vector.VectorOperators.GE;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;

/**
 * Gradients of the functions of one element, d[i] = g[i] f'(x[i]) over whole vectors; x holds the
 * arguments, y the values of f. d may be g.
 */
final class UnaryGradientLoops {
  private UnaryGradientLoops() {}

  /** f = |x|; 0 at 0, NaN at NaN. */
  static void abs(long x, long g, long d, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);
      FloatVector r = v.mul(k).blend(k, v.compare(GT, 0f)).blend(k.neg(), v.compare(LT, 0f));
      r.intoMemorySegment(ALL, d + o, LE);
    }
  }

  /** f = e^x. */
  static void exp(long y, long g, long d, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, y + o, LE);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);
      FloatVector r = k.mul(w);
      r.intoMemorySegment(ALL, d + o, LE);
    }
  }

  /** f = log x. */
  static void log(long x, long g, long d, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);
      FloatVector r = k.div(v);
      r.intoMemorySegment(ALL, d + o, LE);
    }
  }

  /** f = sqrt(x). */
  static void sqrt(long y, long g, long d, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, y + o, LE);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);
      FloatVector r = k.mul(0.5f).div(w);
      r.intoMemorySegment(ALL, d + o, LE);
    }
  }

  /** f = 1 / sqrt(x). */
  static void rsqrt(long x, long y, long g, long d, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, y + o, LE);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);
      FloatVector r = k.mul(-0.5f).mul(w).div(v);
      r.intoMemorySegment(ALL, d + o, LE);
    }
  }

  /** f = x^2. */
  static void square(long x, long g, long d, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);
      FloatVector r = k.mul(v.add(v));
      r.intoMemorySegment(ALL, d + o, LE);
    }
  }

  /** f = 1 / x. */
  static void reciprocal(long y, long g, long d, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, y + o, LE);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);
      FloatVector r = k.mul(w.mul(w)).neg();
      r.intoMemorySegment(ALL, d + o, LE);
    }
  }

  /** f = tanh(x); not 1 - y^2, which cancels for large x. */
  static void tanh(long x, long g, long d, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);

      FloatVector t = v.abs().mul(-2f);
      FloatVector eM = t.fma(LOG2E, MAGIC);
      FloatVector eN = eM.sub(MAGIC);
      FloatVector eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), t);
      eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), eR);
      FloatVector eS = eR.mul(eR);
      FloatVector eH = eS.fma(FloatVector.broadcast(SPECIES, X6), eR.fma(X5, X4));
      FloatVector e = eH.fma(eS, eR.fma(X3, X2)).fma(eS, eR).add(1f);
      e = e.mul(eM.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      FloatVector s = e.add(1f);
      FloatVector r = e.mul(4f).div(s.mul(s)).blend(0f, t.compare(LT, EXP_LOW)).mul(k);
      r.intoMemorySegment(ALL, d + o, LE);
    }
  }

  /** f = sigmoid(x); not y (1 - y), which cancels for large x. */
  static void sigmoid(long x, long g, long d, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);

      FloatVector t = v.abs().neg();
      FloatVector eM = t.fma(LOG2E, MAGIC);
      FloatVector eN = eM.sub(MAGIC);
      FloatVector eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), t);
      eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), eR);
      FloatVector eS = eR.mul(eR);
      FloatVector eH = eS.fma(FloatVector.broadcast(SPECIES, X6), eR.fma(X5, X4));
      FloatVector e = eH.fma(eS, eR.fma(X3, X2)).fma(eS, eR).add(1f);
      e = e.mul(eM.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      FloatVector s = e.add(1f);
      FloatVector r = e.div(s.mul(s)).blend(0f, t.compare(LT, EXP_LOW)).mul(k);
      r.intoMemorySegment(ALL, d + o, LE);
    }
  }

  /** f = max(x, 0); 0 at 0. */
  static void relu(long x, long g, long d, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);
      FloatVector r = FloatVector.zero(SPECIES).blend(k, v.compare(GT, 0f));
      r.intoMemorySegment(ALL, d + o, LE);
    }
  }

  /**
   * f = x sigmoid(slope x). With s the sigmoid and e = e^(-slope x), f' = s (1 + slope x e s), in
   * which nothing cancels, unlike in s (1 - s).
   */
  static void silu(long x, long g, long d, int n, float slope) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);

      FloatVector t = v.mul(-slope);
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
      FloatVector r = e.mul(s).mul(t.neg()).fma(s, s);
      r = r.blend(0f, t.compare(GT, EXP_HIGH)).blend(1f, t.compare(LT, EXP_LOW)).mul(k);
      r.intoMemorySegment(ALL, d + o, LE);
    }
  }

  /** f = x sigmoid(linear x + cubic x^3); as {@link #silu}. */
  static void geluTanh(long x, long g, long d, int n, float linear, float cubic) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);

      FloatVector square = v.mul(v);
      FloatVector t = square.fma(-cubic, -linear).mul(v);
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
      FloatVector slope = square.fma(3f * cubic, linear).mul(v);
      FloatVector r = e.mul(s).mul(slope).fma(s, s);
      r = r.blend(0f, t.compare(GT, EXP_HIGH)).blend(1f, t.compare(LT, EXP_LOW)).mul(k);
      r.intoMemorySegment(ALL, d + o, LE);
    }
  }

  /** f = x Phi(x). */
  static void gelu(long x, long g, long d, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);

      FloatVector a = v.abs();
      FloatVector square = a.mul(a);
      FloatVector eM = square.fma(-0.5f * LOG2E, ROUND);
      FloatVector eN = eM.sub(ROUND);
      // -x^2/2 - n ln 2 with one rounding: the products of a short ln 2 are exact.
      FloatVector eR = a.mul(-0.5f).fma(a, eN.mul(-LN2_SHORT));
      eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_REST), eR);
      FloatVector eS = eR.mul(eR);
      FloatVector eH = eS.fma(FloatVector.broadcast(SPECIES, X6), eR.fma(X5, X4));
      FloatVector e = eH.fma(eS, eR.fma(X3, X2)).fma(eS, eR).add(1f);
      IntVector eB = eM.reinterpretAsInts().lanewise(LSHL, 23).add(e.reinterpretAsInts());
      e = eB.reinterpretAsFloats();
      FloatVector t = FloatVector.broadcast(SPECIES, 1f).div(a.fma(PHI_T, 1f));
      FloatVector tS = t.mul(t);
      FloatVector q = tS.fma(PHI_8, PHI_6).fma(tS, FloatVector.broadcast(SPECIES, PHI_4));
      FloatVector qH = tS.fma(PHI_7, PHI_5).fma(tS, FloatVector.broadcast(SPECIES, PHI_3));
      q = q.fma(tS, FloatVector.broadcast(SPECIES, PHI_2));
      qH = qH.fma(tS, FloatVector.broadcast(SPECIES, PHI_1));
      q = q.fma(t, qH).mul(t).mul(e);
      // Phi(x) + x times the density
      VectorMask<Float> positive = v.compare(GE, 0f);
      FloatVector end = FloatVector.zero(SPECIES).blend(1f, positive);
      FloatVector r = q.blend(q.neg().add(1f), positive);
      r = v.mul(e).fma(FloatVector.broadcast(SPECIES, DENSITY_0), r);
      r = r.blend(end, a.compare(GT, PHI_END)).mul(k);
      r.intoMemorySegment(ALL, d + o, LE);
    }
  }
}
