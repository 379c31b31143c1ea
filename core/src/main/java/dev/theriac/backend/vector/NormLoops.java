package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;

import dev.theriac.tensor.Host;
import jdk.incubator.vector.FloatVector;

/**
 * The norms, each for rows of n elements one after the other, n a multiple of the vector length. A
 * row comes from memory once, for its statistics, and is in the first-level cache when it is
 * scaled. (The rows are a loop of the kernel, and not of its caller, because one compiled method
 * then does all of it: a quarter faster.)
 *
 * <p>Statistics have two sums of each kind, for even and odd vectors, and go through {@link
 * NormStatistics}; {@code scratch} holds two vectors.
 */
final class NormLoops {
  private NormLoops() {}

  /** y = x rstd w. */
  static void rms(long x, long w, long y, int n, long rows, float eps, long rstd, long scratch) {
    long step = 4L * n;
    for (long row = 0; row < rows; row++) {
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
      NormStatistics.plain(n, eps, rstd, scratch);
      float scale = Host.getFloat(rstd);
      for (int k = 0; k < n; k += LENGTH) {
        long o = 4L * k;
        FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE)
            .mul(scale)
            .mul(FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE))
            .intoMemorySegment(ALL, y + o, LE);
      }
      x += step;
      y += step;
      rstd += 4;
    }
  }

  /** y = (x - mean) rstd w + b. */
  static void layer(
      long x,
      long w,
      long b,
      long y,
      int n,
      long rows,
      float eps,
      long mean,
      long rstd,
      long scratch) {
    long step = 4L * n;
    float ahead = NormStatistics.guess(x, 0, n);
    for (long row = 0; row < rows; row++) {
      float shift = ahead;
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
      NormStatistics.centred(x, shift, n, eps, mean, rstd, scratch);
      float center = Host.getFloat(mean);
      // Of the next row, whose elements are then on their way.
      ahead = NormStatistics.guess(row + 1 < rows ? x + step : x, 0, n);
      float scale = Host.getFloat(rstd);
      for (int k = 0; k < n; k += LENGTH) {
        long o = 4L * k;
        FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE)
            .sub(center)
            .mul(scale)
            .fma(
                FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE),
                FloatVector.fromMemorySegment(SPECIES, ALL, b + o, LE))
            .intoMemorySegment(ALL, y + o, LE);
      }
      x += step;
      y += step;
      rstd += 4;
      mean += 4;
    }
  }

  /** s = x + r, then {@link #rms} of s. */
  static void addRms(
      long x,
      long r,
      long w,
      long s,
      long y,
      int n,
      long rows,
      float eps,
      long rstd,
      long scratch) {
    long step = 4L * n;
    for (long row = 0; row < rows; row++) {
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
      NormStatistics.plain(n, eps, rstd, scratch);
      float scale = Host.getFloat(rstd);
      for (int k = 0; k < n; k += LENGTH) {
        long o = 4L * k;
        FloatVector.fromMemorySegment(SPECIES, ALL, s + o, LE)
            .mul(scale)
            .mul(FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE))
            .intoMemorySegment(ALL, y + o, LE);
      }
      x += step;
      r += step;
      s += step;
      y += step;
      rstd += 4;
    }
  }

  /** s = x + r, then {@link #layer} of s. */
  static void addLayer(
      long x,
      long r,
      long w,
      long b,
      long s,
      long y,
      int n,
      long rows,
      float eps,
      long mean,
      long rstd,
      long scratch) {
    long step = 4L * n;
    float ahead = NormStatistics.guess(x, r, n);
    for (long row = 0; row < rows; row++) {
      float shift = ahead;
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
      NormStatistics.centred(s, shift, n, eps, mean, rstd, scratch);
      float center = Host.getFloat(mean);
      // Of the next row, whose elements are then on their way.
      long other = row + 1 < rows ? step : 0;
      ahead = NormStatistics.guess(x + other, r + other, n);
      float scale = Host.getFloat(rstd);
      for (int k = 0; k < n; k += LENGTH) {
        long o = 4L * k;
        FloatVector.fromMemorySegment(SPECIES, ALL, s + o, LE)
            .sub(center)
            .mul(scale)
            .fma(
                FloatVector.fromMemorySegment(SPECIES, ALL, w + o, LE),
                FloatVector.fromMemorySegment(SPECIES, ALL, b + o, LE))
            .intoMemorySegment(ALL, y + o, LE);
      }
      x += step;
      r += step;
      s += step;
      y += step;
      rstd += 4;
      mean += 4;
    }
  }

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
}
