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
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.GE;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.NE;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Functions of one element, y[i] = f(x[i]) over whole vectors: n is a multiple of the vector length
 * and y may be x.
 */
final class UnaryLoops {
  private UnaryLoops() {}

  /** y = -x. */
  static void neg(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector r = v.neg();
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = |x|. */
  static void abs(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector r = v.abs();
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = x^2. */
  static void square(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector r = v.mul(v);
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = sqrt(x). */
  static void sqrt(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector r = v.sqrt();
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = 1 / sqrt(x). */
  static void rsqrt(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector r = FloatVector.broadcast(SPECIES, 1f).div(v.sqrt());
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = 1 / x. */
  static void reciprocal(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector r = FloatVector.broadcast(SPECIES, 1f).div(v);
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = max(x, 0); NaN stays. */
  static void relu(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector r = v.blend(0f, v.compare(VectorOperators.LE, 0f));
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = x mul + add, rounded once. */
  static void affine(long x, long y, int n, float mul, float add) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector r = v.fma(mul, add);
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = e^x over the whole range, subnormal results included. */
  static void exp(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);

      FloatVector t = v.blend(EXP_HIGH, v.compare(GT, EXP_HIGH));
      t = t.blend(-104f, t.compare(LT, -104f));
      FloatVector m = t.fma(LOG2E, 12582912f);
      FloatVector k = m.sub(12582912f);
      FloatVector r = k.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), t);
      r = k.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), r);
      FloatVector p =
          r.fma(E6, E5)
              .fma(r, FloatVector.broadcast(SPECIES, E4))
              .fma(r, FloatVector.broadcast(SPECIES, E3));
      p =
          p.fma(r, FloatVector.broadcast(SPECIES, E2))
              .fma(r, FloatVector.broadcast(SPECIES, E1))
              .fma(r.mul(r), r)
              .add(1f);
      // 2^k as a product of two powers: k reaches below -126, where one factor would be subnormal.
      IntVector whole = m.reinterpretAsInts().sub(0x4b400000);
      IntVector half = whole.lanewise(ASHR, 1);
      p = p.mul(half.add(127).lanewise(LSHL, 23).reinterpretAsFloats());
      p = p.mul(whole.sub(half).add(127).lanewise(LSHL, 23).reinterpretAsFloats());
      p.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = log x (Moshier, Cephes, logf). */
  static void log(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);

      FloatVector x1 = v.blend(v.mul(0x1p25f), v.compare(LT, Float.MIN_NORMAL));
      IntVector bits = x1.reinterpretAsInts();
      // v = f 2^k with f from sqrt(1/2) to sqrt(2)
      IntVector k = bits.sub(0x3f3504f3).lanewise(ASHR, 23);
      FloatVector f = bits.sub(k.lanewise(LSHL, 23)).reinterpretAsFloats().sub(1f);
      FloatVector e = k.add(0x4b400000).reinterpretAsFloats().sub(12582912f);
      e = e.blend(e.sub(25f), v.compare(LT, Float.MIN_NORMAL));
      FloatVector z = f.mul(f);
      FloatVector p = f.fma(7.0376836292e-2f, -1.1514610310e-1f);
      p =
          p.fma(f, FloatVector.broadcast(SPECIES, 1.1676998740e-1f))
              .fma(f, FloatVector.broadcast(SPECIES, -1.2420140846e-1f));
      p =
          p.fma(f, FloatVector.broadcast(SPECIES, 1.4249322787e-1f))
              .fma(f, FloatVector.broadcast(SPECIES, -1.6668057665e-1f));
      p =
          p.fma(f, FloatVector.broadcast(SPECIES, 2.0000714765e-1f))
              .fma(f, FloatVector.broadcast(SPECIES, -2.4999993993e-1f));
      p = p.fma(f, FloatVector.broadcast(SPECIES, 3.3333331174e-1f)).mul(f).mul(z);
      p = e.fma(FloatVector.broadcast(SPECIES, -2.12194440e-4f), p);
      FloatVector r = z.fma(FloatVector.broadcast(SPECIES, -0.5f), p).add(f);
      r = e.fma(FloatVector.broadcast(SPECIES, 0.693359375f), r);
      r = r.blend(Float.NEGATIVE_INFINITY, v.compare(EQ, 0f)).blend(Float.NaN, v.compare(LT, 0f));
      r = r.blend(v, v.compare(EQ, Float.POSITIVE_INFINITY)).blend(v, v.compare(NE, v));
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = tanh(x): a polynomial below 0.625, 1 - 2 / (e^2|x| + 1) above. */
  static void tanh(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);

      FloatVector a = v.abs();
      FloatVector z = v.mul(v);
      FloatVector p = z.fma(-5.70498872745e-3f, 2.06390887954e-2f);
      p =
          p.fma(z, FloatVector.broadcast(SPECIES, -5.37397155531e-2f))
              .fma(z, FloatVector.broadcast(SPECIES, 1.33314422036e-1f));
      p = p.fma(z, FloatVector.broadcast(SPECIES, -3.33332819422e-1f)).mul(z).fma(v, v);
      FloatVector t = a.add(a);
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
      FloatVector r = FloatVector.broadcast(SPECIES, -2f).div(e.add(1f)).add(1f);
      r = r.blend(r.neg(), v.compare(LT, 0f));
      r = r.blend(p, a.compare(LT, 0.625f));
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = 1 / (1 + e^-x). */
  static void sigmoid(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);

      FloatVector t = v.neg();
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
      FloatVector r = FloatVector.broadcast(SPECIES, 1f).div(e.add(1f));
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = x sigmoid(linear x + cubic x^3): SiLU, quick GELU and the tanh form of GELU. */
  static void gate(long x, long y, int n, float linear, float cubic) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);

      FloatVector low = v.blend(-128f, v.compare(LT, -128f));
      FloatVector c = low.blend(128f, low.compare(GT, 128f));
      FloatVector t = c.mul(c).fma(-cubic, -linear).mul(c);
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
      FloatVector r = low.div(e.add(1f));
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = x Phi(x), Phi the normal distribution function. */
  static void gelu(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);

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
      // q is Phi(-|x|), so that the far negative side keeps its relative accuracy.
      FloatVector r = q.blend(q.neg().add(1f), v.compare(GE, 0f)).mul(low);
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }
}
