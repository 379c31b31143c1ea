package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;

import dev.theriac.tensor.Host;
import jdk.incubator.vector.FloatVector;

/**
 * Parts of the gradients of the norms, on rows of n elements, a multiple of the vector length. With
 * h = (x - mean) rstd: dw += g h, db += g, d = rstd (g w - sum - h product), given the means of g w
 * and of g w h.
 *
 * <p>Two rows at a time read and write the sums over rows once instead of twice; each of those sums
 * is one chain in the order of rows either way. (Four would make a method that C1 cannot compile.)
 */
final class NormGradientLoops {
  /** Floats that {@link #centred2} and {@link #plain2} want of each row. */
  static final int STATISTICS = 4;

  private NormGradientLoops() {}

  /** Leaves the sums of g w (x - mean) and of g w at {@code scratch}, in two vectors. */
  static void centredSums(long x, long w, long g, int n, float mean, long scratch) {
    FloatVector product0 = FloatVector.zero(SPECIES);
    FloatVector product1 = product0;
    FloatVector sum0 = product0;
    FloatVector sum1 = product0;
    int i = 0;
    for (; i <= n - 2 * LENGTH; i += 2 * LENGTH) {
      long o = 4L * i;
      long p = o + BYTES;
      FloatVector v0 =
          FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE)
              .mul(FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE));
      sum0 = sum0.add(v0);
      product0 = v0.fma(FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(mean), product0);
      FloatVector v1 =
          FloatVector.fromMemorySegment(SPECIES, ALL, g + p, LE)
              .mul(FloatVector.fromMemorySegment(SPECIES, ALL, w + p, LE));
      sum1 = sum1.add(v1);
      product1 = v1.fma(FloatVector.fromMemorySegment(SPECIES, ALL, x + p, LE).sub(mean), product1);
    }
    if (i < n) {
      long o = 4L * i;
      FloatVector v0 =
          FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE)
              .mul(FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE));
      sum0 = sum0.add(v0);
      product0 = v0.fma(FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(mean), product0);
    }
    product0.add(product1).intoMemorySegment(ALL, scratch, LE);
    sum0.add(sum1).intoMemorySegment(ALL, scratch + BYTES, LE);
  }

  /** Leaves the sum of g w x at {@code scratch}, in one vector. */
  static void plainSums(long x, long w, long g, int n, long scratch) {
    FloatVector product0 = FloatVector.zero(SPECIES);
    FloatVector product1 = product0;
    int i = 0;
    for (; i <= n - 2 * LENGTH; i += 2 * LENGTH) {
      long o = 4L * i;
      long p = o + BYTES;
      FloatVector v0 =
          FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE)
              .mul(FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE));
      product0 = v0.fma(FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE), product0);
      FloatVector v1 =
          FloatVector.fromMemorySegment(SPECIES, ALL, g + p, LE)
              .mul(FloatVector.fromMemorySegment(SPECIES, ALL, w + p, LE));
      product1 = v1.fma(FloatVector.fromMemorySegment(SPECIES, ALL, x + p, LE), product1);
    }
    if (i < n) {
      long o = 4L * i;
      FloatVector v0 =
          FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE)
              .mul(FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE));
      product0 = v0.fma(FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE), product0);
    }
    product0.add(product1).intoMemorySegment(ALL, scratch, LE);
  }

  /** One row of LayerNorm. */
  static void centred(
      long x,
      long w,
      long g,
      long d,
      long dw,
      long db,
      int n,
      float mean,
      float rstd,
      float sum,
      float product) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector h = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(mean).mul(rstd);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);
      k.fma(h, FloatVector.fromMemorySegment(SPECIES, ALL, dw + o, LE))
          .intoMemorySegment(ALL, dw + o, LE);
      k.add(FloatVector.fromMemorySegment(SPECIES, ALL, db + o, LE))
          .intoMemorySegment(ALL, db + o, LE);
      FloatVector v = k.mul(FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE)).sub(sum);
      h.neg()
          .fma(FloatVector.broadcast(SPECIES, product), v)
          .mul(rstd)
          .intoMemorySegment(ALL, d + o, LE);
    }
  }

  /** One row of RMSNorm: no mean, no sum, no shift. */
  static void plain(long x, long w, long g, long d, long dw, int n, float rstd, float product) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector h = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).mul(rstd);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);
      k.fma(h, FloatVector.fromMemorySegment(SPECIES, ALL, dw + o, LE))
          .intoMemorySegment(ALL, dw + o, LE);
      FloatVector v = k.mul(FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE));
      h.neg()
          .fma(FloatVector.broadcast(SPECIES, product), v)
          .mul(rstd)
          .intoMemorySegment(ALL, d + o, LE);
    }
  }

  /** Two rows of LayerNorm, {@code step} bytes apart; of each rstd, product, mean and sum. */
  static void centred2(
      long x, long w, long g, long d, long dw, long db, int n, long step, long statistics) {
    float rstd0 = Host.getFloat(statistics);
    float product0 = Host.getFloat(statistics + 4);
    float mean0 = Host.getFloat(statistics + 8);
    float sum0 = Host.getFloat(statistics + 12);
    float rstd1 = Host.getFloat(statistics + 16);
    float product1 = Host.getFloat(statistics + 20);
    float mean1 = Host.getFloat(statistics + 24);
    float sum1 = Host.getFloat(statistics + 28);
    long x1 = x + step;
    long g1 = g + step;
    long d1 = d + step;
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector a = FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE);
      FloatVector s = FloatVector.fromMemorySegment(SPECIES, ALL, dw + o, LE);
      FloatVector t = FloatVector.fromMemorySegment(SPECIES, ALL, db + o, LE);
      FloatVector h = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(mean0).mul(rstd0);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);
      s = k.fma(h, s);
      t = t.add(k);
      FloatVector v = k.mul(a).sub(sum0);
      h.neg()
          .fma(FloatVector.broadcast(SPECIES, product0), v)
          .mul(rstd0)
          .intoMemorySegment(ALL, d + o, LE);
      h = FloatVector.fromMemorySegment(SPECIES, ALL, x1 + o, LE).sub(mean1).mul(rstd1);
      k = FloatVector.fromMemorySegment(SPECIES, ALL, g1 + o, LE);
      s = k.fma(h, s);
      t = t.add(k);
      v = k.mul(a).sub(sum1);
      h.neg()
          .fma(FloatVector.broadcast(SPECIES, product1), v)
          .mul(rstd1)
          .intoMemorySegment(ALL, d1 + o, LE);
      s.intoMemorySegment(ALL, dw + o, LE);
      t.intoMemorySegment(ALL, db + o, LE);
    }
  }

  /** Two rows of RMSNorm; of each rstd, product and two floats that are not read. */
  static void plain2(long x, long w, long g, long d, long dw, int n, long step, long statistics) {
    float rstd0 = Host.getFloat(statistics);
    float product0 = Host.getFloat(statistics + 4);
    float rstd1 = Host.getFloat(statistics + 16);
    float product1 = Host.getFloat(statistics + 20);
    long x1 = x + step;
    long g1 = g + step;
    long d1 = d + step;
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector a = FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE);
      FloatVector s = FloatVector.fromMemorySegment(SPECIES, ALL, dw + o, LE);
      FloatVector h = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).mul(rstd0);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);
      s = k.fma(h, s);
      FloatVector v = k.mul(a);
      h.neg()
          .fma(FloatVector.broadcast(SPECIES, product0), v)
          .mul(rstd0)
          .intoMemorySegment(ALL, d + o, LE);
      h = FloatVector.fromMemorySegment(SPECIES, ALL, x1 + o, LE).mul(rstd1);
      k = FloatVector.fromMemorySegment(SPECIES, ALL, g1 + o, LE);
      s = k.fma(h, s);
      v = k.mul(a);
      h.neg()
          .fma(FloatVector.broadcast(SPECIES, product1), v)
          .mul(rstd1)
          .intoMemorySegment(ALL, d1 + o, LE);
      s.intoMemorySegment(ALL, dw + o, LE);
    }
  }
}
