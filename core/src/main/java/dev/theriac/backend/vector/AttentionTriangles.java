package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.F32;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;

/**
 * What a causal mask leaves of a tile on the diagonal beside the terms of all four rows: a triangle
 * of three rows and three terms, c[i] += a[i][k] b[k], in the order of k as {@link AttentionTiles}
 * has it. Hidden terms are not multiplied by zero, because they may be infinite or NaN.
 *
 * <p>Element a[i][k] lies at {@code a + i * aRow + k * aStep}; rows of b and of c are {@code row}
 * bytes apart.
 */
final class AttentionTriangles {
  private AttentionTriangles() {}

  /** Rows 1 to 3, where row i takes the terms below i: queries that see more and more keys. */
  static void later(long a, long aRow, long aStep, long b, long c, long row, int vectors) {
    FloatVector x10 = FloatVector.broadcast(SPECIES, ALL.get(F32, a + aRow));
    FloatVector x20 = FloatVector.broadcast(SPECIES, ALL.get(F32, a + 2 * aRow));
    FloatVector x21 = FloatVector.broadcast(SPECIES, ALL.get(F32, a + 2 * aRow + aStep));
    FloatVector x30 = FloatVector.broadcast(SPECIES, ALL.get(F32, a + 3 * aRow));
    FloatVector x31 = FloatVector.broadcast(SPECIES, ALL.get(F32, a + 3 * aRow + aStep));
    FloatVector x32 = FloatVector.broadcast(SPECIES, ALL.get(F32, a + 3 * aRow + 2 * aStep));
    for (int j = 0; j < vectors; j++) {
      FloatVector b0 = FloatVector.fromMemorySegment(SPECIES, ALL, b, LE);
      FloatVector b1 = FloatVector.fromMemorySegment(SPECIES, ALL, b + row, LE);
      FloatVector b2 = FloatVector.fromMemorySegment(SPECIES, ALL, b + 2 * row, LE);
      FloatVector c1 = FloatVector.fromMemorySegment(SPECIES, ALL, c + row, LE);
      c1 = x10.fma(b0, c1);
      c1.intoMemorySegment(ALL, c + row, LE);
      FloatVector c2 = FloatVector.fromMemorySegment(SPECIES, ALL, c + 2 * row, LE);
      c2 = x20.fma(b0, c2);
      c2 = x21.fma(b1, c2);
      c2.intoMemorySegment(ALL, c + 2 * row, LE);
      FloatVector c3 = FloatVector.fromMemorySegment(SPECIES, ALL, c + 3 * row, LE);
      c3 = x30.fma(b0, c3);
      c3 = x31.fma(b1, c3);
      c3 = x32.fma(b2, c3);
      c3.intoMemorySegment(ALL, c + 3 * row, LE);
      b += BYTES;
      c += BYTES;
    }
  }

  /** Rows 0 to 2, where row i takes the terms from i on: keys that fewer and fewer queries see. */
  static void earlier(long a, long aRow, long aStep, long b, long c, long row, int vectors) {
    FloatVector x00 = FloatVector.broadcast(SPECIES, ALL.get(F32, a));
    FloatVector x01 = FloatVector.broadcast(SPECIES, ALL.get(F32, a + aStep));
    FloatVector x02 = FloatVector.broadcast(SPECIES, ALL.get(F32, a + 2 * aStep));
    FloatVector x11 = FloatVector.broadcast(SPECIES, ALL.get(F32, a + aRow + aStep));
    FloatVector x12 = FloatVector.broadcast(SPECIES, ALL.get(F32, a + aRow + 2 * aStep));
    FloatVector x22 = FloatVector.broadcast(SPECIES, ALL.get(F32, a + 2 * aRow + 2 * aStep));
    for (int j = 0; j < vectors; j++) {
      FloatVector b0 = FloatVector.fromMemorySegment(SPECIES, ALL, b, LE);
      FloatVector b1 = FloatVector.fromMemorySegment(SPECIES, ALL, b + row, LE);
      FloatVector b2 = FloatVector.fromMemorySegment(SPECIES, ALL, b + 2 * row, LE);
      FloatVector c0 = FloatVector.fromMemorySegment(SPECIES, ALL, c, LE);
      c0 = x00.fma(b0, c0);
      c0 = x01.fma(b1, c0);
      c0 = x02.fma(b2, c0);
      c0.intoMemorySegment(ALL, c, LE);
      FloatVector c1 = FloatVector.fromMemorySegment(SPECIES, ALL, c + row, LE);
      c1 = x11.fma(b1, c1);
      c1 = x12.fma(b2, c1);
      c1.intoMemorySegment(ALL, c + row, LE);
      FloatVector c2 = FloatVector.fromMemorySegment(SPECIES, ALL, c + 2 * row, LE);
      c2 = x22.fma(b2, c2);
      c2.intoMemorySegment(ALL, c + 2 * row, LE);
      b += BYTES;
      c += BYTES;
    }
  }
}
