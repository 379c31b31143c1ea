package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.F32;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;

/**
 * What attention of one query does with rows of a cache: all heads of a row at a time, so that
 * memory is read in order. Inner loops run over the few vectors of a head, and end in a way that
 * keeps the compiler from unrolling them.
 */
final class AttentionRows {
  /** For a distance h, lanes [2hj, 2hj + h) of two vectors, and those h further on. */
  private static final float[][] LOW = new float[LENGTH][];

  private static final float[][] HIGH = new float[LENGTH][];

  static {
    for (int h = LENGTH / 2; h >= 1; h /= 2) {
      LOW[h] = new float[LENGTH];
      HIGH[h] = new float[LENGTH];
      for (int i = 0; i < LENGTH; i++) {
        LOW[h][i] = 2 * h * (i / h) + i % h;
        HIGH[h][i] = LOW[h][i] + h;
      }
    }
  }

  private AttentionRows() {}

  /**
   * For each query head a vector whose lanes add up to query . key, at {@code to}, {@code toStep}
   * bytes apart; {@code ratio} query heads share a key head, {@code keyHead} bytes apart.
   */
  static void dots(
      long query, long key, long keyHead, int groups, int ratio, int depth, long to, long toStep) {
    long bytes = 4L * depth;
    for (int g = 0; g < groups; g++) {
      for (int r = 0; r < ratio; r++) {
        FloatVector sum = FloatVector.zero(SPECIES);
        long at = key;
        long end = key + bytes;
        do {
          FloatVector q = FloatVector.fromMemorySegment(SPECIES, ALL, query, LE);
          sum = q.fma(FloatVector.fromMemorySegment(SPECIES, ALL, at, LE), sum);
          at += BYTES;
          query += BYTES;
        } while (at != end);
        sum.intoMemorySegment(ALL, to, LE);
        to += toStep;
      }
      key += keyHead;
    }
  }

  /**
   * Of {@code n} groups of {@link Lanes#LENGTH} vectors each becomes one, with the sums of their
   * lanes: by halves, as {@link Tails#sum} has it. In place.
   */
  static void sums(long x, int n) {
    for (int h = LENGTH / 2; h >= 1; h /= 2) fold(x, n * h, LOW[h], HIGH[h]);
  }

  /** Each two vectors become one, in which each half of what belongs together is added. */
  private static void fold(long x, int pairs, float[] low, float[] high) {
    FloatVector l = FloatVector.fromArray(SPECIES, low, 0);
    FloatVector h = FloatVector.fromArray(SPECIES, high, 0);
    long to = x;
    for (int i = 0; i < pairs; i++) {
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x, LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, x + BYTES, LE);
      l.selectFrom(v, w).add(h.selectFrom(v, w)).intoMemorySegment(ALL, to, LE);
      x += 2 * BYTES;
      to += BYTES;
    }
  }

  /** Adds to each head's row at {@code to} its p times its value of one row of a cache. */
  static void mix(
      long p, long pRow, long value, long valueHead, int groups, int ratio, int depth, long to) {
    long bytes = 4L * depth;
    for (int g = 0; g < groups; g++) {
      for (int r = 0; r < ratio; r++) {
        FloatVector x = FloatVector.broadcast(SPECIES, ALL.get(F32, p));
        long at = value;
        long end = value + bytes;
        do {
          FloatVector sum = FloatVector.fromMemorySegment(SPECIES, ALL, to, LE);
          x.fma(FloatVector.fromMemorySegment(SPECIES, ALL, at, LE), sum)
              .intoMemorySegment(ALL, to, LE);
          at += BYTES;
          to += BYTES;
        } while (at != end);
        p += pRow;
      }
      value += valueHead;
    }
  }

  /** to = scale times the sum of p[s] row s, one vector wide. */
  static void column(long p, int n, long x, long row, float scale, long to) {
    FloatVector sum = FloatVector.zero(SPECIES);
    for (int s = 0; s < n; s++) {
      FloatVector w = FloatVector.broadcast(SPECIES, ALL.get(F32, p + 4L * s));
      sum = w.fma(FloatVector.fromMemorySegment(SPECIES, ALL, x, LE), sum);
      x += row;
    }
    sum.mul(scale).intoMemorySegment(ALL, to, LE);
  }
}
