package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.F32;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;

/**
 * Products of the small matrices of attention. The left operand may have any strides, so that it
 * can be read transposed, without packing; the right one has rows of whole vectors. Small enough
 * (50 vector calls) for the first compiler.
 */
final class AttentionTiles {
  /** Rows of a tile. */
  static final int ROWS = 6;

  private AttentionTiles() {}

  /**
   * c = init + a b for {@code rows} (a multiple of {@link #ROWS}) by {@code vectors} (1 or 2)
   * vectors. Strides in bytes; a stride of 0 repeats one row of init.
   */
  static void multiply(
      int rows,
      int vectors,
      long a,
      long aRow,
      long aStep,
      long b,
      long bStep,
      int depth,
      long init,
      long initRow,
      long c,
      long cRow) {
    for (int r = 0; r < rows; r += ROWS) {
      long from = a + r * aRow;
      long start = init + r * initRow;
      long to = c + r * cRow;
      if (vectors == 2) {
        tile6x2(from, aRow, aStep, b, bStep, depth, start, initRow, to, cRow);
      } else {
        tile6x1(from, aRow, aStep, b, bStep, depth, start, initRow, to, cRow);
      }
    }
  }

  /** c[r][:] = init[r][:] + sum over k of a[r][k] b[k][:], 6 rows by 2 vectors. */
  static void tile6x2(
      long a,
      long aRow,
      long aStep,
      long b,
      long bStep,
      int depth,
      long init,
      long initRow,
      long c,
      long cRow) {
    FloatVector c00 = FloatVector.fromMemorySegment(SPECIES, ALL, init, LE);
    FloatVector c01 = FloatVector.fromMemorySegment(SPECIES, ALL, init + BYTES, LE);
    init += initRow;
    FloatVector c10 = FloatVector.fromMemorySegment(SPECIES, ALL, init, LE);
    FloatVector c11 = FloatVector.fromMemorySegment(SPECIES, ALL, init + BYTES, LE);
    init += initRow;
    FloatVector c20 = FloatVector.fromMemorySegment(SPECIES, ALL, init, LE);
    FloatVector c21 = FloatVector.fromMemorySegment(SPECIES, ALL, init + BYTES, LE);
    init += initRow;
    FloatVector c30 = FloatVector.fromMemorySegment(SPECIES, ALL, init, LE);
    FloatVector c31 = FloatVector.fromMemorySegment(SPECIES, ALL, init + BYTES, LE);
    init += initRow;
    FloatVector c40 = FloatVector.fromMemorySegment(SPECIES, ALL, init, LE);
    FloatVector c41 = FloatVector.fromMemorySegment(SPECIES, ALL, init + BYTES, LE);
    init += initRow;
    FloatVector c50 = FloatVector.fromMemorySegment(SPECIES, ALL, init, LE);
    FloatVector c51 = FloatVector.fromMemorySegment(SPECIES, ALL, init + BYTES, LE);
    long a1 = a + aRow;
    long a2 = a1 + aRow;
    long a3 = a2 + aRow;
    long a4 = a3 + aRow;
    long a5 = a4 + aRow;
    for (int k = 0; k < depth; k++) {
      FloatVector b0 = FloatVector.fromMemorySegment(SPECIES, ALL, b, LE);
      FloatVector b1 = FloatVector.fromMemorySegment(SPECIES, ALL, b + BYTES, LE);
      FloatVector x0 = FloatVector.broadcast(SPECIES, ALL.get(F32, a));
      c00 = x0.fma(b0, c00);
      c01 = x0.fma(b1, c01);
      FloatVector x1 = FloatVector.broadcast(SPECIES, ALL.get(F32, a1));
      c10 = x1.fma(b0, c10);
      c11 = x1.fma(b1, c11);
      FloatVector x2 = FloatVector.broadcast(SPECIES, ALL.get(F32, a2));
      c20 = x2.fma(b0, c20);
      c21 = x2.fma(b1, c21);
      FloatVector x3 = FloatVector.broadcast(SPECIES, ALL.get(F32, a3));
      c30 = x3.fma(b0, c30);
      c31 = x3.fma(b1, c31);
      FloatVector x4 = FloatVector.broadcast(SPECIES, ALL.get(F32, a4));
      c40 = x4.fma(b0, c40);
      c41 = x4.fma(b1, c41);
      FloatVector x5 = FloatVector.broadcast(SPECIES, ALL.get(F32, a5));
      c50 = x5.fma(b0, c50);
      c51 = x5.fma(b1, c51);
      b += bStep;
      a += aStep;
      a1 += aStep;
      a2 += aStep;
      a3 += aStep;
      a4 += aStep;
      a5 += aStep;
    }
    c00.intoMemorySegment(ALL, c, LE);
    c01.intoMemorySegment(ALL, c + BYTES, LE);
    c += cRow;
    c10.intoMemorySegment(ALL, c, LE);
    c11.intoMemorySegment(ALL, c + BYTES, LE);
    c += cRow;
    c20.intoMemorySegment(ALL, c, LE);
    c21.intoMemorySegment(ALL, c + BYTES, LE);
    c += cRow;
    c30.intoMemorySegment(ALL, c, LE);
    c31.intoMemorySegment(ALL, c + BYTES, LE);
    c += cRow;
    c40.intoMemorySegment(ALL, c, LE);
    c41.intoMemorySegment(ALL, c + BYTES, LE);
    c += cRow;
    c50.intoMemorySegment(ALL, c, LE);
    c51.intoMemorySegment(ALL, c + BYTES, LE);
  }

  /** c[r][:] = init[r][:] + sum over k of a[r][k] b[k][:], 6 rows by 1 vector. */
  static void tile6x1(
      long a,
      long aRow,
      long aStep,
      long b,
      long bStep,
      int depth,
      long init,
      long initRow,
      long c,
      long cRow) {
    FloatVector c00 = FloatVector.fromMemorySegment(SPECIES, ALL, init, LE);
    init += initRow;
    FloatVector c10 = FloatVector.fromMemorySegment(SPECIES, ALL, init, LE);
    init += initRow;
    FloatVector c20 = FloatVector.fromMemorySegment(SPECIES, ALL, init, LE);
    init += initRow;
    FloatVector c30 = FloatVector.fromMemorySegment(SPECIES, ALL, init, LE);
    init += initRow;
    FloatVector c40 = FloatVector.fromMemorySegment(SPECIES, ALL, init, LE);
    init += initRow;
    FloatVector c50 = FloatVector.fromMemorySegment(SPECIES, ALL, init, LE);
    long a1 = a + aRow;
    long a2 = a1 + aRow;
    long a3 = a2 + aRow;
    long a4 = a3 + aRow;
    long a5 = a4 + aRow;
    for (int k = 0; k < depth; k++) {
      FloatVector b0 = FloatVector.fromMemorySegment(SPECIES, ALL, b, LE);
      FloatVector x0 = FloatVector.broadcast(SPECIES, ALL.get(F32, a));
      c00 = x0.fma(b0, c00);
      FloatVector x1 = FloatVector.broadcast(SPECIES, ALL.get(F32, a1));
      c10 = x1.fma(b0, c10);
      FloatVector x2 = FloatVector.broadcast(SPECIES, ALL.get(F32, a2));
      c20 = x2.fma(b0, c20);
      FloatVector x3 = FloatVector.broadcast(SPECIES, ALL.get(F32, a3));
      c30 = x3.fma(b0, c30);
      FloatVector x4 = FloatVector.broadcast(SPECIES, ALL.get(F32, a4));
      c40 = x4.fma(b0, c40);
      FloatVector x5 = FloatVector.broadcast(SPECIES, ALL.get(F32, a5));
      c50 = x5.fma(b0, c50);
      b += bStep;
      a += aStep;
      a1 += aStep;
      a2 += aStep;
      a3 += aStep;
      a4 += aStep;
      a5 += aStep;
    }
    c00.intoMemorySegment(ALL, c, LE);
    c += cRow;
    c10.intoMemorySegment(ALL, c, LE);
    c += cRow;
    c20.intoMemorySegment(ALL, c, LE);
    c += cRow;
    c30.intoMemorySegment(ALL, c, LE);
    c += cRow;
    c40.intoMemorySegment(ALL, c, LE);
    c += cRow;
    c50.intoMemorySegment(ALL, c, LE);
  }
}
