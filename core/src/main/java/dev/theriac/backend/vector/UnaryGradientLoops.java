package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.ExpConstants.DENSITY_0;
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
import static dev.theriac.backend.vector.ExpConstants.PHI_1;
import static dev.theriac.backend.vector.ExpConstants.PHI_2;
import static dev.theriac.backend.vector.ExpConstants.PHI_3;
import static dev.theriac.backend.vector.ExpConstants.PHI_4;
import static dev.theriac.backend.vector.ExpConstants.PHI_5;
import static dev.theriac.backend.vector.ExpConstants.PHI_6;
import static dev.theriac.backend.vector.ExpConstants.PHI_7;
import static dev.theriac.backend.vector.ExpConstants.PHI_8;
import static dev.theriac.backend.vector.ExpConstants.PHI_9;
import static dev.theriac.backend.vector.ExpConstants.PHI_T;
import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.GE;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;

import jdk.incubator.vector.FloatVector;

/**
 * Gradients of the functions of one element, d[i] = g[i] f'(x[i]) over whole vectors; x holds the
 * arguments, y the values of f. d may be g.
 */
final class UnaryGradientLoops {
  private UnaryGradientLoops() {}

  /** f = |x|; 0 at 0. */
  static void abs(long x, long g, long d, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);
      FloatVector r = k.blend(k.neg(), v.compare(LT, 0f)).blend(0f, v.compare(EQ, 0f));
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
      FloatVector s = e.add(1f);
      FloatVector r = e.mul(4f).div(s.mul(s)).mul(k);
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
      FloatVector s = e.add(1f);
      FloatVector r = e.div(s.mul(s)).mul(k);
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

  /** f = x sigmoid(linear x + cubic x^3). */
  static void gate(long x, long g, long d, int n, float linear, float cubic) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);

      FloatVector c = v.blend(-128f, v.compare(LT, -128f));
      c = c.blend(128f, c.compare(GT, 128f));
      FloatVector square = c.mul(c);
      FloatVector t = square.fma(-cubic, -linear).mul(c);
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
      // f' = s + x u' s (1 - s) with u' = linear + 3 cubic x^2
      FloatVector slope = square.fma(3f * cubic, linear).mul(c);
      FloatVector r = slope.mul(s.neg().fma(s, s)).add(s).mul(k);
      r.intoMemorySegment(ALL, d + o, LE);
    }
  }

  /** f = x Phi(x). */
  static void gelu(long x, long g, long d, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);

      FloatVector low = v.blend(-16f, v.compare(LT, -16f));
      FloatVector c = low.blend(16f, low.compare(GT, 16f));
      FloatVector a = c.abs();
      FloatVector h = a.mul(a);
      FloatVector rest = a.fma(a, h.neg());
      FloatVector t = h.mul(-0.5f);
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
      e = rest.mul(-0.5f).fma(e, e);
      t = FloatVector.broadcast(SPECIES, 1f).div(a.fma(PHI_T, 1f));
      FloatVector q =
          t.fma(PHI_9, PHI_8)
              .fma(t, FloatVector.broadcast(SPECIES, PHI_7))
              .fma(t, FloatVector.broadcast(SPECIES, PHI_6));
      q =
          q.fma(t, FloatVector.broadcast(SPECIES, PHI_5))
              .fma(t, FloatVector.broadcast(SPECIES, PHI_4))
              .fma(t, FloatVector.broadcast(SPECIES, PHI_3));
      q =
          q.fma(t, FloatVector.broadcast(SPECIES, PHI_2))
              .fma(t, FloatVector.broadcast(SPECIES, PHI_1))
              .mul(t)
              .mul(e);
      FloatVector phi = q.blend(q.neg().add(1f), v.compare(GE, 0f));
      // Phi(x) + x times the density
      FloatVector r = c.mul(e).fma(FloatVector.broadcast(SPECIES, DENSITY_0), phi).mul(k);
      r.intoMemorySegment(ALL, d + o, LE);
    }
  }
}
