package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.AttentionBlock.ROW;
import static dev.theriac.backend.vector.ExpConstants.MAGIC;
import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.F32;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;

import dev.theriac.tensor.Host;
import java.lang.foreign.Arena;
import jdk.incubator.vector.FloatVector;

/** What attention does besides products: rows in and out of scratch, gradients of the softmax. */
final class AttentionLoops {
  private AttentionLoops() {}

  /** The logarithms of attention are to base 2, which saves the exponential three operations. */
  static final double LOG2E = 1.4426950408889634;

  static final double LN2 = 0.6931471805599453;

  /** 2^r for |r| at most 1/2 is 1 + P1 r + ... + P6 r^6: interpolated where Chebyshev says. */
  private static final float P1 = 0.69314718f;

  private static final float P2 = 0.24022651f;
  private static final float P3 = 0.05550357f;
  private static final float P4 = 0.009618083f;
  private static final float P5 = 0.0013390863f;
  private static final float P6 = 0.00015453163f;

  /** Powers below 2^LOW are given as 0: the next ones would be subnormal. */
  private static final float LOW = -126f;

  /** Floats of a loop: an int counts them, and a count of int is what the compiler unrolls. */
  private static final long PIECE = 1 << 24;

  /** A vector of -infinity followed by one of zeros. */
  private static final long HIDDEN = hidden();

  private static long hidden() {
    long at = Arena.global().allocate(2 * BYTES, 64).address();
    for (int i = 0; i < LENGTH; i++) {
      Host.setFloat(at + 4L * i, Float.NEGATIVE_INFINITY);
      Host.setFloat(at + BYTES + 4L * i, 0);
    }
    return at;
  }

  /**
   * y[r][:n] = x[r][:n] scales[r], where {@code scaleStep} of 0 takes one scale for all. The loops
   * run down the rows, which are short: two vectors at a time, and the end in scalar code, which
   * rounds a product alike.
   */
  static void scaleRows(
      long x, long xRow, long y, long yRow, int rows, int n, long scales, long scaleStep) {
    int i = 0;
    for (; i <= n - 2 * LENGTH; i += 2 * LENGTH) {
      scaleTwo(x + 4L * i, xRow, y + 4L * i, yRow, rows, scales, scaleStep);
    }
    for (; i <= n - LENGTH; i += LENGTH) {
      scaleOne(x + 4L * i, xRow, y + 4L * i, yRow, rows, scales, scaleStep);
    }
    for (int r = 0; r < rows && i < n; r++) {
      float scale = Host.getFloat(scales + r * scaleStep);
      for (int j = i; j < n; j++) {
        Host.setFloat(y + r * yRow + 4L * j, Host.getFloat(x + r * xRow + 4L * j) * scale);
      }
    }
  }

  private static void scaleTwo(
      long x, long xRow, long y, long yRow, int rows, long scales, long scaleStep) {
    for (int r = 0; r < rows; r++) {
      FloatVector s = FloatVector.broadcast(SPECIES, ALL.get(F32, scales));
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x, LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, x + BYTES, LE);
      v.mul(s).intoMemorySegment(ALL, y, LE);
      w.mul(s).intoMemorySegment(ALL, y + BYTES, LE);
      x += xRow;
      y += yRow;
      scales += scaleStep;
    }
  }

  private static void scaleOne(
      long x, long xRow, long y, long yRow, int rows, long scales, long scaleStep) {
    for (int r = 0; r < rows; r++) {
      FloatVector s = FloatVector.broadcast(SPECIES, ALL.get(F32, scales));
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x, LE);
      v.mul(s).intoMemorySegment(ALL, y, LE);
      x += xRow;
      y += yRow;
      scales += scaleStep;
    }
  }

  /** Rows times one scale into rows of whole vectors, the rest of each zero. */
  static void padRows(long x, long xRow, int rows, int n, long scale, long y, int padded) {
    scaleRows(x, xRow, y, 4L * padded, rows, n, scale, 0);
    for (int r = 0; r < rows && n < padded; r++) {
      for (int i = n; i < padded; i++) Host.setInt(y + 4L * ((long) r * padded + i), 0);
    }
  }

  /** Sets the first {@code lanes} floats of a vector to -infinity; at most the whole vector. */
  static void hideBelow(long at, int lanes) {
    FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, at, LE);
    FloatVector h = FloatVector.fromMemorySegment(SPECIES, ALL, HIDDEN + BYTES - 4L * lanes, LE);
    v.blend(h, h.compare(LT, 0f)).intoMemorySegment(ALL, at, LE);
  }

  /** Sets the first {@code lanes} floats of two vectors to 0; at most the whole vectors. */
  static void clearBelow(long x, long y, int lanes) {
    FloatVector h = FloatVector.fromMemorySegment(SPECIES, ALL, HIDDEN + BYTES - 4L * lanes, LE);
    FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x, LE);
    FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, y, LE);
    v.blend(0f, h.compare(LT, 0f)).intoMemorySegment(ALL, x, LE);
    w.blend(0f, h.compare(LT, 0f)).intoMemorySegment(ALL, y, LE);
  }

  /** Sets a vector in each of n rows of a strip. */
  static void fill(long x, int n, float value) {
    for (int i = 0; i < n; i++) {
      FloatVector.broadcast(SPECIES, value).intoMemorySegment(ALL, x, LE);
      x += ROW;
    }
  }

  /** The largest of each lane over n rows of a strip and {@code top}, NaN left out. */
  static void max(long x, int n, long top) {
    FloatVector a = FloatVector.fromMemorySegment(SPECIES, ALL, top, LE);
    FloatVector b = a;
    FloatVector c = a;
    FloatVector d = a;
    int i = 0;
    for (; i <= n - 4; i += 4) {
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x, LE);
      a = a.blend(v, v.compare(GT, a));
      v = FloatVector.fromMemorySegment(SPECIES, ALL, x + ROW, LE);
      b = b.blend(v, v.compare(GT, b));
      v = FloatVector.fromMemorySegment(SPECIES, ALL, x + 2 * ROW, LE);
      c = c.blend(v, v.compare(GT, c));
      v = FloatVector.fromMemorySegment(SPECIES, ALL, x + 3 * ROW, LE);
      d = d.blend(v, v.compare(GT, d));
      x += 4 * ROW;
    }
    for (; i < n; i++) {
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x, LE);
      a = a.blend(v, v.compare(GT, a));
      x += ROW;
    }
    a = a.blend(b, b.compare(GT, a));
    c = c.blend(d, d.compare(GT, c));
    a.blend(c, c.compare(GT, a)).intoMemorySegment(ALL, top, LE);
  }

  /** x = 2^(x - shift) in n rows of a strip, their sum added to {@code sum}. */
  static void expSum(long x, int n, long shift, long sum) {
    FloatVector top = FloatVector.fromMemorySegment(SPECIES, ALL, shift, LE);
    FloatVector total = FloatVector.zero(SPECIES);
    for (int i = 0; i < n; i++) {
      FloatVector t = FloatVector.fromMemorySegment(SPECIES, ALL, x, LE).sub(top);
      FloatVector m = t.add(MAGIC);
      FloatVector r = t.sub(m.sub(MAGIC));
      FloatVector e =
          r.fma(P6, P5)
              .fma(r, FloatVector.broadcast(SPECIES, P4))
              .fma(r, FloatVector.broadcast(SPECIES, P3));
      e =
          e.fma(r, FloatVector.broadcast(SPECIES, P2))
              .fma(r, FloatVector.broadcast(SPECIES, P1))
              .fma(r, FloatVector.broadcast(SPECIES, 1f));
      e = e.mul(m.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e = e.blend(0f, t.compare(LT, LOW));
      total = total.add(e);
      e.intoMemorySegment(ALL, x, LE);
      x += ROW;
    }
    FloatVector.fromMemorySegment(SPECIES, ALL, sum, LE).add(total).intoMemorySegment(ALL, sum, LE);
  }

  /**
   * Natural logarithm of a sum of powers. Called for a few numbers only, so that a vector kernel
   * would stay uncompiled for long; the library's may differ from tier to tier.
   */
  static double log(float sum) {
    if (!(sum > 0 && sum < Float.POSITIVE_INFINITY)) {
      return sum == 0 ? Double.NEGATIVE_INFINITY : sum;
    }
    long bits = Double.doubleToRawLongBits(sum);
    // sum = f 2^k with f from about sqrt(1/2) to sqrt(2); log f = 2 artanh((f - 1) / (f + 1))
    long k = (bits - 0x3fe6a09e667f3bcdL) >> 52;
    double f = Double.longBitsToDouble(bits - (k << 52));
    double x = (f - 1) / (f + 1);
    double z = x * x;
    double p = ((2.0 / 11 * z + 2.0 / 9) * z + 2.0 / 7) * z + 2.0 / 5;
    return k * LN2 + x * ((p * z + 2.0 / 3) * z + 2);
  }

  /**
   * In n rows of two strips, scores become probabilities p = 2^(p - log), and gradients of
   * probabilities those of scores, d = p (d - delta).
   */
  static void gradient(long p, long d, int n, long log, long delta) {
    FloatVector top = FloatVector.fromMemorySegment(SPECIES, ALL, log, LE);
    FloatVector mean = FloatVector.fromMemorySegment(SPECIES, ALL, delta, LE);
    for (int i = 0; i < n; i++) {
      FloatVector t = FloatVector.fromMemorySegment(SPECIES, ALL, p, LE).sub(top);
      FloatVector m = t.add(MAGIC);
      FloatVector r = t.sub(m.sub(MAGIC));
      FloatVector e =
          r.fma(P6, P5)
              .fma(r, FloatVector.broadcast(SPECIES, P4))
              .fma(r, FloatVector.broadcast(SPECIES, P3));
      e =
          e.fma(r, FloatVector.broadcast(SPECIES, P2))
              .fma(r, FloatVector.broadcast(SPECIES, P1))
              .fma(r, FloatVector.broadcast(SPECIES, 1f));
      e = e.mul(m.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
      e = e.blend(0f, t.compare(LT, LOW));
      FloatVector g = FloatVector.fromMemorySegment(SPECIES, ALL, d, LE).sub(mean);
      e.intoMemorySegment(ALL, p, LE);
      g.mul(e).intoMemorySegment(ALL, d, LE);
      p += ROW;
      d += ROW;
    }
  }

  /** Sets n floats, a multiple of the vector length, to 0. */
  static void clear(long x, long n) {
    for (long i = 0; i < n; i += PIECE) Moves.fill(x + 4 * i, (int) Math.min(PIECE, n - i), 0);
  }

  /** y += x for n floats, a multiple of the vector length. */
  static void addTo(long x, long y, long n) {
    for (long i = 0; i < n; i += PIECE) {
      addPiece(x + 4 * i, y + 4 * i, (int) Math.min(PIECE, n - i));
    }
  }

  private static void addPiece(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, y + 4L * i, LE);
      v.add(FloatVector.fromMemorySegment(SPECIES, ALL, x + 4L * i, LE))
          .intoMemorySegment(ALL, y + 4L * i, LE);
    }
  }

  /** Sets the floats from {@code seen} to the next whole vector to -infinity. */
  static void hide(long row, int seen) {
    int whole = (seen + LENGTH - 1) / LENGTH * LENGTH;
    for (int i = seen; i < whole; i++) Host.setFloat(row + 4L * i, Float.NEGATIVE_INFINITY);
  }
}
