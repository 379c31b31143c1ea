package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;

/**
 * Parts of the norms on one row of n elements, a multiple of the vector length.
 *
 * <p>A row is read twice: from memory for its statistics, and from the first-level cache to be
 * scaled; {@link NormNextLoops} do both at once. Statistics have two sums of each kind, for even
 * and odd vectors. One loop for each method: with the rows as an outer loop in the same method it
 * is a fifth faster, until a compilation comes that keeps the sums in objects.
 */
final class NormLoops {
  private NormLoops() {}

  /** y = u rstd w. */
  static void scale(long u, long w, long y, float rstd, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector.fromMemorySegment(SPECIES, ALL, u + o, LE)
          .mul(rstd)
          .mul(FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE))
          .intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** y = (u - mean) rstd w + b. */
  static void shift(long u, long w, long b, long y, float mean, float rstd, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector.fromMemorySegment(SPECIES, ALL, u + o, LE)
          .sub(mean)
          .mul(rstd)
          .fma(
              FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE),
              FloatVector.fromMemorySegment(SPECIES, ALL, b + o, LE))
          .intoMemorySegment(ALL, y + o, LE);
    }
  }

  /** Leaves the sum of x^2 at {@code scratch}, in one vector. */
  static void squares(long x, int n, long scratch) {
    FloatVector squares0 = FloatVector.zero(SPECIES);
    FloatVector squares1 = squares0;
    int i = 0;
    for (; i <= n - 2 * LENGTH; i += 2 * LENGTH) {
      long o = 4L * i;
      long p = o + BYTES;
      FloatVector v0 = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      squares0 = v0.fma(v0, squares0);
      FloatVector v1 = FloatVector.fromMemorySegment(SPECIES, ALL, x + p, LE);
      squares1 = v1.fma(v1, squares1);
    }
    if (i < n) {
      long o = 4L * i;
      FloatVector v0 = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      squares0 = v0.fma(v0, squares0);
    }
    squares0.add(squares1).intoMemorySegment(ALL, scratch, LE);
  }

  /** Leaves the sums of (x - shift)^2 and of x - shift at {@code scratch}, in two vectors. */
  static void moments(long x, float shift, int n, long scratch) {
    FloatVector sum0 = FloatVector.zero(SPECIES);
    FloatVector sum1 = sum0;
    FloatVector squares0 = sum0;
    FloatVector squares1 = sum0;
    int i = 0;
    for (; i <= n - 2 * LENGTH; i += 2 * LENGTH) {
      long o = 4L * i;
      long p = o + BYTES;
      FloatVector v0 = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      v0 = v0.sub(shift);
      sum0 = sum0.add(v0);
      squares0 = v0.fma(v0, squares0);
      FloatVector v1 = FloatVector.fromMemorySegment(SPECIES, ALL, x + p, LE);
      v1 = v1.sub(shift);
      sum1 = sum1.add(v1);
      squares1 = v1.fma(v1, squares1);
    }
    if (i < n) {
      long o = 4L * i;
      FloatVector v0 = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      v0 = v0.sub(shift);
      sum0 = sum0.add(v0);
      squares0 = v0.fma(v0, squares0);
    }
    sum0.add(sum1).intoMemorySegment(ALL, scratch + BYTES, LE);
    squares0.add(squares1).intoMemorySegment(ALL, scratch, LE);
  }

  /** s = x + r, and {@link #squares} of s. */
  static void addSquares(long x, long r, long s, int n, long scratch) {
    FloatVector squares0 = FloatVector.zero(SPECIES);
    FloatVector squares1 = squares0;
    int i = 0;
    for (; i <= n - 2 * LENGTH; i += 2 * LENGTH) {
      long o = 4L * i;
      long p = o + BYTES;
      FloatVector v0 =
          FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE)
              .add(FloatVector.fromMemorySegment(SPECIES, ALL, r + o, LE));
      v0.intoMemorySegment(ALL, s + o, LE);
      squares0 = v0.fma(v0, squares0);
      FloatVector v1 =
          FloatVector.fromMemorySegment(SPECIES, ALL, x + p, LE)
              .add(FloatVector.fromMemorySegment(SPECIES, ALL, r + p, LE));
      v1.intoMemorySegment(ALL, s + p, LE);
      squares1 = v1.fma(v1, squares1);
    }
    if (i < n) {
      long o = 4L * i;
      FloatVector v0 =
          FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE)
              .add(FloatVector.fromMemorySegment(SPECIES, ALL, r + o, LE));
      v0.intoMemorySegment(ALL, s + o, LE);
      squares0 = v0.fma(v0, squares0);
    }
    squares0.add(squares1).intoMemorySegment(ALL, scratch, LE);
  }

  /** s = x + r, and {@link #moments} of s. */
  static void addMoments(long x, long r, long s, float shift, int n, long scratch) {
    FloatVector sum0 = FloatVector.zero(SPECIES);
    FloatVector sum1 = sum0;
    FloatVector squares0 = sum0;
    FloatVector squares1 = sum0;
    int i = 0;
    for (; i <= n - 2 * LENGTH; i += 2 * LENGTH) {
      long o = 4L * i;
      long p = o + BYTES;
      FloatVector v0 =
          FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE)
              .add(FloatVector.fromMemorySegment(SPECIES, ALL, r + o, LE));
      v0.intoMemorySegment(ALL, s + o, LE);
      v0 = v0.sub(shift);
      sum0 = sum0.add(v0);
      squares0 = v0.fma(v0, squares0);
      FloatVector v1 =
          FloatVector.fromMemorySegment(SPECIES, ALL, x + p, LE)
              .add(FloatVector.fromMemorySegment(SPECIES, ALL, r + p, LE));
      v1.intoMemorySegment(ALL, s + p, LE);
      v1 = v1.sub(shift);
      sum1 = sum1.add(v1);
      squares1 = v1.fma(v1, squares1);
    }
    if (i < n) {
      long o = 4L * i;
      FloatVector v0 =
          FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE)
              .add(FloatVector.fromMemorySegment(SPECIES, ALL, r + o, LE));
      v0.intoMemorySegment(ALL, s + o, LE);
      v0 = v0.sub(shift);
      sum0 = sum0.add(v0);
      squares0 = v0.fma(v0, squares0);
    }
    sum0.add(sum1).intoMemorySegment(ALL, scratch + BYTES, LE);
    squares0.add(squares1).intoMemorySegment(ALL, scratch, LE);
  }
}
