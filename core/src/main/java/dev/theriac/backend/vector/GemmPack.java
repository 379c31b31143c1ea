package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.F32;
import static dev.theriac.backend.vector.Lanes.I16;
import static dev.theriac.backend.vector.Lanes.I64;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * Brings blocks of the operands into the order in which the register tiles read them. Strides are
 * in bytes and arbitrary: a stride of one element in either direction runs at vector speed.
 */
final class GemmPack {

  /** Element type of the right-hand operand. */
  enum Element {
    F32(4),
    BF16(2),
    F16(2);

    final long bytes;

    Element(long bytes) {
      this.bytes = bytes;
    }
  }

  private static final VectorSpecies<Integer> INTS = SPECIES.withLanes(int.class);
  private static final VectorSpecies<Short> SHORTS =
      VectorSpecies.of(short.class, VectorShape.forBitSize(Math.max(64, 16 * LENGTH)));

  /** Block size of the transposition: the widest that the vector width and the compiler allow. */
  private static final int SQUARE = JitDirectives.LARGE_KERNELS ? LENGTH : Math.min(8, LENGTH);

  private GemmPack() {}

  /** Packs {@code rows} by {@code depth} of a, row after row, {@link GemmTiles#A_STRIDE} apart. */
  static void a(long from, long rowStride, long colStride, int rows, int depth, long to) {
    if (colStride == 4) {
      for (int r = 0; r < rows; r++) {
        copy(from + r * rowStride, to + r * GemmTiles.A_STRIDE, depth);
      }
    } else if (rowStride == 4) {
      transpose(from, colStride, depth, rows, to, GemmTiles.A_STRIDE);
    } else {
      for (int r = 0; r < rows; r++) {
        gather(from + r * rowStride, colStride, depth, to + r * GemmTiles.A_STRIDE, 4);
      }
    }
  }

  /** As {@link #a} for contiguous rows, those that the I64 values at {@code index} name. */
  static void aRows(long from, long rowStride, long index, int rows, int depth, long to) {
    for (int r = 0; r < rows; r++) {
      long row = ALL.get(I64, index + 8L * r);
      copy(from + row * rowStride, to + r * GemmTiles.A_STRIDE, depth);
    }
  }

  /** As {@link #a} for contiguous columns, those that the I64 values at {@code index} name. */
  static void aColumns(
      long from, long colStride, long index, int rows, int depth, long to, GemmScratch scratch) {
    for (int k = 0; k < depth; k += SQUARE) {
      int count = Math.min(SQUARE, depth - k);
      for (int i = 0; i < count; i++) {
        long column = ALL.get(I64, index + 8L * (k + i));
        copy(from + column * colStride, scratch.wide + i * GemmTiles.A_STRIDE, rows);
      }
      transpose(scratch.wide, GemmTiles.A_STRIDE, count, rows, to + 4L * k, GemmTiles.A_STRIDE);
    }
  }

  /**
   * Packs one panel of b: {@code depth} rows of {@code vectors} vectors, of which the first {@code
   * columns} lanes come from b and the rest are zero. With an {@code index} (else 0) row k is the
   * one that its I64 value k names; rows are then contiguous and f32.
   */
  static void b(
      Element type,
      long from,
      long index,
      long rowStride,
      long colStride,
      int depth,
      int columns,
      int vectors,
      long to,
      GemmScratch scratch) {
    long step = vectors * BYTES;
    if (index != 0) {
      for (int k = 0; k < depth; k++) {
        copy(from + ALL.get(I64, index + 8L * k) * rowStride, to + k * step, columns);
      }
    } else if (colStride == type.bytes) {
      bRows(type, from, rowStride, depth, columns, to, step);
    } else if (rowStride == type.bytes) {
      for (int c = 0; c < columns; c += LENGTH) {
        int count = Math.min(LENGTH, columns - c);
        long source = from + c * colStride;
        long stride = colStride;
        if (type != Element.F32) {
          for (int i = 0; i < count; i++) {
            widen(type, source + i * colStride, scratch.wide + i * GemmTiles.A_STRIDE, depth);
          }
          source = scratch.wide;
          stride = GemmTiles.A_STRIDE;
        }
        transpose(source, stride, count, depth, to + 4L * c, step);
      }
    } else {
      for (int c = 0; c < columns; c++) {
        if (type == Element.F32) {
          gather(from + c * colStride, rowStride, depth, to + 4L * c, step);
        } else {
          gatherHalf(type, from + c * colStride, rowStride, depth, to + 4L * c, step);
        }
      }
    }
    if (4L * columns < step) {
      zeroLanes(to, depth, step, columns);
    }
  }

  private static void bRows(
      Element type, long from, long rowStride, int depth, int columns, long to, long step) {
    if (type != Element.F32) {
      for (int k = 0; k < depth; k++) {
        widen(type, from + k * rowStride, to + k * step, columns);
      }
    } else if (4L * columns == step && columns == 3 * LENGTH) {
      copyPanel3(from, rowStride, depth, to);
    } else {
      for (int k = 0; k < depth; k++) {
        copy(from + k * rowStride, to + k * step, columns);
      }
    }
  }

  private static void copyPanel3(long from, long rowStride, int depth, long to) {
    for (int k = 0; k < depth; k++) {
      FloatVector v0 = FloatVector.fromMemorySegment(SPECIES, ALL, from, LE);
      FloatVector v1 = FloatVector.fromMemorySegment(SPECIES, ALL, from + BYTES, LE);
      FloatVector v2 = FloatVector.fromMemorySegment(SPECIES, ALL, from + 2 * BYTES, LE);
      v0.intoMemorySegment(ALL, to, LE);
      v1.intoMemorySegment(ALL, to + BYTES, LE);
      v2.intoMemorySegment(ALL, to + 2 * BYTES, LE);
      from += rowStride;
      to += 3 * BYTES;
    }
  }

  /** Copies {@code count} floats. */
  static void copy(long from, long to, int count) {
    int i = 0;
    for (; i <= count - LENGTH; i += LENGTH) {
      FloatVector.fromMemorySegment(SPECIES, ALL, from + 4L * i, LE)
          .intoMemorySegment(ALL, to + 4L * i, LE);
    }
    for (; i < count; i++) {
      ALL.set(F32, to + 4L * i, ALL.get(F32, from + 4L * i));
    }
  }

  /** Transposes {@code rows} rows of {@code columns} floats: from[r][c] becomes to[c][r]. */
  private static void transpose(
      long from, long fromStride, int rows, int columns, long to, long toStride) {
    int r = 0;
    int blocks = columns / SQUARE;
    int whole = blocks * SQUARE;
    if (blocks > 0 && GemmWarmUp.ready()) {
      for (; r <= rows - SQUARE; r += SQUARE) {
        squares(from + r * fromStride, fromStride, to + 4L * r, toStride, blocks);
        for (int i = r; i < r + SQUARE; i++) {
          long source = from + i * fromStride + 4L * whole;
          gather(source, 4, columns - whole, to + 4L * i + whole * toStride, toStride);
        }
      }
    }
    for (; r < rows; r++) {
      gather(from + r * fromStride, 4, columns, to + 4L * r, toStride);
    }
  }

  /** Transposes {@code blocks} squares that lie side by side, to squares one below the other. */
  static void squares(long from, long fromStride, long to, long toStride, int blocks) {
    switch (SQUARE) {
      case 16 -> Transposes.blocks16(from, fromStride, to, toStride, blocks);
      case 8 -> Transposes.blocks8(from, fromStride, to, toStride, blocks);
      default -> Transposes.blocks4(from, fromStride, to, toStride, blocks);
    }
  }

  private static void gather(long from, long fromStep, int count, long to, long toStep) {
    for (int i = 0; i < count; i++) {
      ALL.set(F32, to, ALL.get(F32, from));
      from += fromStep;
      to += toStep;
    }
  }

  private static void gatherHalf(
      Element type, long from, long fromStep, int count, long to, long toStep) {
    for (int i = 0; i < count; i++) {
      short half = ALL.get(I16, from);
      ALL.set(
          F32,
          to,
          type == Element.BF16 ? Float.intBitsToFloat(half << 16) : Float.float16ToFloat(half));
      from += fromStep;
      to += toStep;
    }
  }

  private static void widen(Element type, long from, long to, int count) {
    if (type == Element.BF16) {
      int done = widenBf16(from, to, count);
      gatherHalf(type, from + 2L * done, 2, count - done, to + 4L * done, 4);
    } else {
      gatherHalf(type, from, 2, count, to, 4);
    }
  }

  private static int widenBf16(long from, long to, int count) {
    int i = 0;
    for (; i <= count - LENGTH; i += LENGTH) {
      IntVector bits =
          (IntVector)
              ShortVector.fromMemorySegment(SHORTS, ALL, from + 2L * i, LE)
                  .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
      bits.lanewise(VectorOperators.LSHL, 16)
          .reinterpretAsFloats()
          .intoMemorySegment(ALL, to + 4L * i, LE);
    }
    return i;
  }

  private static void zeroLanes(long to, int depth, long step, int columns) {
    for (int k = 0; k < depth; k++) {
      for (long o = 4L * columns; o < step; o += 4) {
        ALL.set(F32, to + k * step + o, 0f);
      }
    }
  }
}
