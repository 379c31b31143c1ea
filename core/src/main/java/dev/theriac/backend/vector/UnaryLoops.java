package dev.theriac.backend.vector;

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
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.EQ;
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

  /**
   * y = e^x over the whole range, subnormal results included. A vector with an element outside of
   * what the shorter way can do goes the longer way, which gives the other elements the same bits.
   */
  static void exp(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector t = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      // The first vector too, so that the compiler never takes the longer way for dead code.
      if (i == 0 | !t.abs().compare(VectorOperators.LE, 87f).allTrue()) {
        expOfAny(x + o, y + o);
        continue;
      }
      FloatVector eM = t.fma(LOG2E, ROUND);
      FloatVector eN = eM.sub(ROUND);
      FloatVector eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), t);
      eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), eR);
      FloatVector eS = eR.mul(eR);
      FloatVector eH = eS.fma(FloatVector.broadcast(SPECIES, X6), eR.fma(X5, X4));
      FloatVector e = eH.fma(eS, eR.fma(X3, X2)).fma(eS, eR).add(1f);
      IntVector eB = eM.reinterpretAsInts().lanewise(LSHL, 23).add(e.reinterpretAsInts());
      e = eB.reinterpretAsFloats();
      e.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** One vector of e^x. */
  private static void expOfAny(long x, long y) {
    FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x, LE);
    FloatVector t = v.blend(89f, v.compare(GT, 89f));
    t = t.blend(-104f, t.compare(LT, -104f));
    FloatVector m = t.fma(LOG2E, ROUND);
    FloatVector k = m.sub(ROUND);
    FloatVector r = k.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), t);
    r = k.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), r);
    FloatVector s = r.mul(r);
    FloatVector p = s.fma(FloatVector.broadcast(SPECIES, X6), r.fma(X5, X4));
    p = p.fma(s, r.fma(X3, X2)).fma(s, r).add(1f);
    // 2^k as a product of two powers: k reaches below -126, where one factor would be subnormal.
    IntVector whole = m.reinterpretAsInts().sub(0x4b400000);
    IntVector half = whole.lanewise(ASHR, 1);
    p = p.mul(half.add(127).lanewise(LSHL, 23).reinterpretAsFloats());
    p = p.mul(whole.sub(half).add(127).lanewise(LSHL, 23).reinterpretAsFloats());
    p.intoMemorySegment(ALL, y, LE);
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
      FloatVector eM = t.fma(LOG2E, MAGIC);
      FloatVector eN = eM.sub(MAGIC);
      FloatVector eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), t);
      eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), eR);
      FloatVector eS = eR.mul(eR);
      FloatVector eH = eS.fma(FloatVector.broadcast(SPECIES, X6), eR.fma(X5, X4));
      FloatVector e = eH.fma(eS, eR.fma(X3, X2)).fma(eS, eR).add(1f);
      e = e.mul(eM.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      FloatVector r = FloatVector.broadcast(SPECIES, -2f).div(e.add(1f)).add(1f);
      r = r.blend(1f, t.compare(GT, 40f));
      r = r.blend(p, a.compare(LT, 0.625f));
      // Also that of zero, which the polynomial loses.
      IntVector sign = v.reinterpretAsInts().and(0x80000000);
      r = r.reinterpretAsInts().or(sign).reinterpretAsFloats();
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = 1 / (1 + e^-x). */
  static void sigmoid(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);

      FloatVector t = v.neg();
      FloatVector eM = t.fma(LOG2E, MAGIC);
      FloatVector eN = eM.sub(MAGIC);
      FloatVector eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), t);
      eR = eN.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), eR);
      FloatVector eS = eR.mul(eR);
      FloatVector eH = eS.fma(FloatVector.broadcast(SPECIES, X6), eR.fma(X5, X4));
      FloatVector e = eH.fma(eS, eR.fma(X3, X2)).fma(eS, eR).add(1f);
      e = e.mul(eM.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      FloatVector r = FloatVector.broadcast(SPECIES, 1f).div(e.add(1f));
      r = r.blend(0f, t.compare(GT, 88f)).blend(1f, t.compare(LT, -87f));
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = x sigmoid(x). */
  static void silu(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);

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
      r = r.blend(-0f, t.compare(GT, EXP_HIGH)).blend(v, t.compare(LT, EXP_LOW));
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = x sigmoid(slope x): quick GELU. */
  static void quickGelu(long x, long y, int n, float slope) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);

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
      FloatVector r = v.div(e.add(1f));
      r = r.blend(-0f, t.compare(GT, EXP_HIGH)).blend(v, t.compare(LT, EXP_LOW));
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = x sigmoid(linear x + cubic x^3): the tanh form of GELU. */
  static void geluTanh(long x, long y, int n, float linear, float cubic) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);

      FloatVector t = v.mul(v).fma(-cubic, -linear).mul(v);
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
      r = r.blend(-0f, t.compare(GT, EXP_HIGH)).blend(v, t.compare(LT, EXP_LOW));
      r.intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = x Phi(x), Phi the normal distribution function. */
  static void gelu(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);

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
      // max(x, 0) - |x| Phi(-|x|), so that the far negative side keeps its relative accuracy.
      IntVector bits = v.reinterpretAsInts();
      FloatVector end = bits.and(bits.lanewise(ASHR, 31).not()).reinterpretAsFloats();
      FloatVector r = q.neg().fma(a, end);
      r = r.blend(end, a.compare(GT, PHI_END));
      bits = r.reinterpretAsInts().or(bits.and(0x80000000));
      bits.reinterpretAsFloats().intoMemorySegment(ALL, y + o, LE);
    }
  }
}
