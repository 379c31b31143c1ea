package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;

/** Parts of the norms on one row of n elements, a multiple of the vector length. */
final class NormLoops {
  private NormLoops() {}

  /** y = (x - mean) rstd w + b. */
  static void shifted(long x, long w, long b, long y, int n, float mean, float rstd) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(mean).mul(rstd);
      FloatVector shift = FloatVector.fromMemorySegment(SPECIES, ALL, b + o, LE);
      v.fma(FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE), shift)
          .intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = x rstd w. */
  static void scaled(long x, long w, long y, int n, float rstd) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).mul(rstd);
      v.mul(FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE))
          .intoMemorySegment(ALL, y + o, LE);
    }
  }

  /**
   * First pass of the gradient on a row, with h = (x - mean) rstd: dw += g h and db += g; the sums
   * of g w and g w h are left in two vectors at {@code scratch}.
   */
  static void gradientSums(
      long x, long w, long g, long dw, long db, int n, float mean, float rstd, long scratch) {
    FloatVector sum = FloatVector.zero(SPECIES);
    FloatVector product = sum;
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector h = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(mean).mul(rstd);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);
      FloatVector v = k.mul(FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE));
      sum = sum.add(v);
      product = v.fma(h, product);
      k.fma(h, FloatVector.fromMemorySegment(SPECIES, ALL, dw + o, LE))
          .intoMemorySegment(ALL, dw + o, LE);
      k.add(FloatVector.fromMemorySegment(SPECIES, ALL, db + o, LE))
          .intoMemorySegment(ALL, db + o, LE);
    }
    sum.intoMemorySegment(ALL, scratch, LE);
    product.intoMemorySegment(ALL, scratch + BYTES, LE);
  }

  /** Second pass: d = rstd (g w - sum - h product), given the means of g w and of g w h. */
  static void gradient(
      long x, long w, long g, long d, int n, float mean, float rstd, float sum, float product) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector h = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).sub(mean).mul(rstd);
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);
      FloatVector v = k.mul(FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE)).sub(sum);
      h.neg()
          .fma(FloatVector.broadcast(SPECIES, product), v)
          .mul(rstd)
          .intoMemorySegment(ALL, d + o, LE);
    }
  }
}
