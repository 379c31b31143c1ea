package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;

/**
 * Parts of the norms that finish one row, u to y, while they read the next: memory is then read and
 * written at the same time, where a loop that reads a row and one that writes it wait for one
 * another. Row by row the results are those of {@link NormLoops}, to the bit. Rows have an even
 * number of vectors. Reads come first: the address of a row may have the last 12 bits of the one
 * that is written.
 */
final class NormNextLoops {
  private NormNextLoops() {}

  /** {@link NormLoops#shift} of u, and {@link NormLoops#moments} of the row x. */
  static void shiftMoments(
      long u,
      long w,
      long b,
      long y,
      float mean,
      float rstd,
      int n,
      long x,
      float guess,
      long scratch) {
    FloatVector squares0 = FloatVector.zero(SPECIES);
    FloatVector squares1 = squares0;
    FloatVector sum0 = squares0;
    FloatVector sum1 = squares0;
    for (int i = 0; i < n; i += 2 * LENGTH) {
      long o = 4L * i;
      long p = o + BYTES;
      FloatVector v0 = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      v0 = v0.sub(guess);
      sum0 = sum0.add(v0);
      squares0 = v0.fma(v0, squares0);
      FloatVector v1 = FloatVector.fromMemorySegment(SPECIES, ALL, x + p, LE);
      v1 = v1.sub(guess);
      sum1 = sum1.add(v1);
      squares1 = v1.fma(v1, squares1);
      FloatVector y0 = FloatVector.fromMemorySegment(SPECIES, ALL, u + o, LE).sub(mean).mul(rstd);
      y0 =
          y0.fma(
              FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE),
              FloatVector.fromMemorySegment(SPECIES, ALL, b + o, LE));
      y0.intoMemorySegment(ALL, y + o, LE);
      FloatVector y1 = FloatVector.fromMemorySegment(SPECIES, ALL, u + p, LE).sub(mean).mul(rstd);
      y1 =
          y1.fma(
              FloatVector.fromMemorySegment(SPECIES, ALL, w + p, LE),
              FloatVector.fromMemorySegment(SPECIES, ALL, b + p, LE));
      y1.intoMemorySegment(ALL, y + p, LE);
    }
    sum0.add(sum1).intoMemorySegment(ALL, scratch + BYTES, LE);
    squares0.add(squares1).intoMemorySegment(ALL, scratch, LE);
  }

  /** {@link NormLoops#scale} of u, and {@link NormLoops#addSquares} of the row x. */
  static void scaleAddSquares(
      long u, long w, long y, float rstd, int n, long x, long r, long s, long scratch) {
    FloatVector squares0 = FloatVector.zero(SPECIES);
    FloatVector squares1 = squares0;
    for (int i = 0; i < n; i += 2 * LENGTH) {
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
      FloatVector y0 =
          FloatVector.fromMemorySegment(SPECIES, ALL, u + o, LE)
              .mul(rstd)
              .mul(FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE));
      y0.intoMemorySegment(ALL, y + o, LE);
      FloatVector y1 =
          FloatVector.fromMemorySegment(SPECIES, ALL, u + p, LE)
              .mul(rstd)
              .mul(FloatVector.fromMemorySegment(SPECIES, ALL, w + p, LE));
      y1.intoMemorySegment(ALL, y + p, LE);
    }
    squares0.add(squares1).intoMemorySegment(ALL, scratch, LE);
  }

  /** {@link NormLoops#shift} of u, and {@link NormLoops#addMoments} of the row x. */
  static void shiftAddMoments(
      long u,
      long w,
      long b,
      long y,
      float mean,
      float rstd,
      int n,
      long x,
      long r,
      long s,
      float guess,
      long scratch) {
    FloatVector squares0 = FloatVector.zero(SPECIES);
    FloatVector squares1 = squares0;
    FloatVector sum0 = squares0;
    FloatVector sum1 = squares0;
    for (int i = 0; i < n; i += 2 * LENGTH) {
      long o = 4L * i;
      long p = o + BYTES;
      FloatVector v0 =
          FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE)
              .add(FloatVector.fromMemorySegment(SPECIES, ALL, r + o, LE));
      v0.intoMemorySegment(ALL, s + o, LE);
      v0 = v0.sub(guess);
      sum0 = sum0.add(v0);
      squares0 = v0.fma(v0, squares0);
      FloatVector v1 =
          FloatVector.fromMemorySegment(SPECIES, ALL, x + p, LE)
              .add(FloatVector.fromMemorySegment(SPECIES, ALL, r + p, LE));
      v1.intoMemorySegment(ALL, s + p, LE);
      v1 = v1.sub(guess);
      sum1 = sum1.add(v1);
      squares1 = v1.fma(v1, squares1);
      FloatVector y0 = FloatVector.fromMemorySegment(SPECIES, ALL, u + o, LE).sub(mean).mul(rstd);
      y0 =
          y0.fma(
              FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE),
              FloatVector.fromMemorySegment(SPECIES, ALL, b + o, LE));
      y0.intoMemorySegment(ALL, y + o, LE);
      FloatVector y1 = FloatVector.fromMemorySegment(SPECIES, ALL, u + p, LE).sub(mean).mul(rstd);
      y1 =
          y1.fma(
              FloatVector.fromMemorySegment(SPECIES, ALL, w + p, LE),
              FloatVector.fromMemorySegment(SPECIES, ALL, b + p, LE));
      y1.intoMemorySegment(ALL, y + p, LE);
    }
    sum0.add(sum1).intoMemorySegment(ALL, scratch + BYTES, LE);
    squares0.add(squares1).intoMemorySegment(ALL, scratch, LE);
  }
}
