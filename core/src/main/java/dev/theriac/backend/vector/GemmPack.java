package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.GemmScratch.WIDE_STRIDE;
import static dev.theriac.backend.vector.GemmTiles.A_STEP;
import static dev.theriac.backend.vector.GemmTiles.GROUP;
import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.F32;
import static dev.theriac.backend.vector.Lanes.I16;
import static dev.theriac.backend.vector.Lanes.I64;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;

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

  /** Block size of the transposition in registers. */
  private static final int SQUARE = LENGTH;

  /**
   * Whether blocks are transposed in registers. Those of 16 take too many calls for the first
   * compiler, and those of 8 are not for wide vectors: {@code FloatVector}s of two classes in one
   * JVM make the compiler follow both in every kernel, and it may leave one of them boxed.
   */
  static final boolean SQUARES = JitDirectives.LARGE_KERNELS || LENGTH <= 8;

  /** Rows fewer than this are transposed one by one. */
  private static final int FEW = 3;

  /** Terms of a row that are copied before they are transposed: with the others in the L1 cache. */
  private static final int PART = 256;

  private GemmPack() {}

  /**
   * Packs {@code rows} by {@code depth} of a in groups of {@link GemmTiles#GROUP} rows, in each k
   * after k. Rows that fill the last group up are left unset.
   */
  static void a(
      long from,
      long rowStride,
      long colStride,
      int rows,
      int depth,
      long to,
      GemmScratch scratch) {
    int first = 0;
    if (rowStride == 4 && colStride != 4) {
      panels(from, colStride, depth, rows / GROUP, GROUP / LENGTH, to);
      first = rows / GROUP * GROUP;
    }
    for (int r = first; r < rows; r += GROUP) {
      int count = Math.min(GROUP, rows - r);
      long source = from + r * rowStride;
      long target = to + 4L * r * depth;
      if (colStride == 4) {
        int whole = count < FEW ? count : count / SQUARE * SQUARE;
        transpose(source, rowStride, whole, depth, target, A_STEP);
        if (whole < count) {
          part(
              source + whole * rowStride,
              rowStride,
              0,
              count - whole,
              depth,
              target + 4L * whole,
              scratch);
        }
      } else if (rowStride == 4) {
        for (int k = 0; k < depth; k++) {
          copy(source + k * colStride, target + k * A_STEP, count);
        }
      } else {
        for (int i = 0; i < count; i++) {
          gather(source + i * rowStride, colStride, depth, target + 4L * i, A_STEP);
        }
      }
    }
  }

  /** As {@link #a} for contiguous rows, those that the I64 values at {@code index} name. */
  static void aRows(
      long from, long rowStride, long index, int rows, int depth, long to, GemmScratch scratch) {
    for (int r = 0; r < rows; r += GROUP) {
      int count = Math.min(GROUP, rows - r);
      part(from, rowStride, index + 8L * r, count, depth, to + 4L * r * depth, scratch);
    }
  }

  /**
   * Packs a part of a group, by way of a buffer unless it is of very few rows; with an {@code
   * index} (else 0) its rows are those that the I64 values name.
   */
  private static void part(
      long from, long rowStride, long index, int rows, int depth, long to, GemmScratch scratch) {
    int step = rows < FEW ? depth : PART;
    for (int k = 0; k < depth; k += step) {
      int terms = Math.min(step, depth - k);
      for (int r = 0; r < rows; r++) {
        long row = index == 0 ? r : ALL.get(I64, index + 8L * r);
        long source = from + row * rowStride + 4L * k;
        if (rows < FEW) {
          gather(source, 4, terms, to + k * A_STEP + 4L * r, A_STEP);
        } else {
          copy(source, scratch.wide + r * WIDE_STRIDE, terms);
        }
      }
      if (rows >= FEW) {
        // Whole squares: what lies beyond the rows is packed with them and never used.
        int whole = (rows + SQUARE - 1) / SQUARE * SQUARE;
        transpose(scratch.wide, WIDE_STRIDE, whole, terms, to + k * A_STEP, A_STEP);
      }
    }
  }

  /** As {@link #a} for contiguous columns, those that the I64 values at {@code index} name. */
  static void aColumns(long from, long colStride, long index, int rows, int depth, long to) {
    for (int r = 0; r < rows; r += GROUP) {
      int count = Math.min(GROUP, rows - r);
      long target = to + 4L * r * depth;
      for (int k = 0; k < depth; k++) {
        long column = ALL.get(I64, index + 8L * k);
        copy(from + column * colStride + 4L * r, target + k * A_STEP, count);
      }
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
        long target = to + 4L * c;
        if (type == Element.F32) {
          transpose(source, colStride, count, depth, target, step);
          continue;
        }
        int done = 0;
        if (SQUARES && type == Element.BF16 && count == SQUARE && GemmWarmUp.ready()) {
          int blocks = depth / (2 * SQUARE);
          pairs(source, colStride, target, step, blocks);
          done = 2 * SQUARE * blocks;
        }
        if (done < depth) {
          for (int i = 0; i < count; i++) {
            long row = source + i * colStride + type.bytes * done;
            widen(type, row, scratch.wide + i * WIDE_STRIDE, depth - done);
          }
          transpose(scratch.wide, WIDE_STRIDE, count, depth - done, target + done * step, step);
        }
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
    } else if (4L * columns == step) {
      panels(from, rowStride, depth, 1, columns / LENGTH, to);
    } else {
      for (int k = 0; k < depth; k++) {
        copy(from + k * rowStride, to + k * step, columns);
      }
    }
  }

  /**
   * Cuts contiguous rows into panels of some vectors, each of which takes its part of every row one
   * after the other. Eight rows at a time: that many streams are what the hardware prefetches best.
   */
  static void panels(long from, long stride, int depth, int panels, int vectors, long to) {
    long step = vectors * BYTES;
    long panel = depth * step;
    int k = 0;
    for (; k <= depth - 8; k += 8) {
      long source = from + k * stride;
      for (int p = 0; p < panels; p++) {
        long target = to + p * panel + k * step;
        for (int v = 0; v < vectors; v++) {
          FloatVector v0 = FloatVector.fromMemorySegment(SPECIES, ALL, source, LE);
          FloatVector v1 = FloatVector.fromMemorySegment(SPECIES, ALL, source + stride, LE);
          FloatVector v2 = FloatVector.fromMemorySegment(SPECIES, ALL, source + 2 * stride, LE);
          FloatVector v3 = FloatVector.fromMemorySegment(SPECIES, ALL, source + 3 * stride, LE);
          FloatVector v4 = FloatVector.fromMemorySegment(SPECIES, ALL, source + 4 * stride, LE);
          FloatVector v5 = FloatVector.fromMemorySegment(SPECIES, ALL, source + 5 * stride, LE);
          FloatVector v6 = FloatVector.fromMemorySegment(SPECIES, ALL, source + 6 * stride, LE);
          FloatVector v7 = FloatVector.fromMemorySegment(SPECIES, ALL, source + 7 * stride, LE);
          v0.intoMemorySegment(ALL, target, LE);
          v1.intoMemorySegment(ALL, target + step, LE);
          v2.intoMemorySegment(ALL, target + 2 * step, LE);
          v3.intoMemorySegment(ALL, target + 3 * step, LE);
          v4.intoMemorySegment(ALL, target + 4 * step, LE);
          v5.intoMemorySegment(ALL, target + 5 * step, LE);
          v6.intoMemorySegment(ALL, target + 6 * step, LE);
          v7.intoMemorySegment(ALL, target + 7 * step, LE);
          source += BYTES;
          target += BYTES;
        }
      }
    }
    for (; k < depth; k++) {
      for (int p = 0; p < panels; p++) {
        copy(from + k * stride + p * step, to + p * panel + k * step, vectors * LENGTH);
      }
    }
  }

  /** Copies a vector of each of {@code depth} rows, widened; F32 or BF16. */
  static void line(Element type, long from, long fromStride, int depth, long to, long toStride) {
    for (int k = 0; k < depth; k++) {
      if (type == Element.BF16) HalfLoops.fromBf16(from, to, LENGTH);
      else copy(from, to, LENGTH);
      from += fromStride;
      to += toStride;
    }
  }

  /** Copies four neighbouring vectors of each row, each to a place and with a step of its own. */
  static void lines(
      Element type,
      long from,
      long fromStride,
      int depth,
      long to0,
      long step0,
      long to1,
      long step1,
      long to2,
      long step2,
      long to3,
      long step3) {
    if (type == Element.BF16) {
      HalfLoops.linesFromBf16(
          from, fromStride, depth, to0, step0, to1, step1, to2, step2, to3, step3);
      return;
    }
    for (int k = 0; k < depth; k++) {
      long source = from + k * fromStride;
      FloatVector v0 = FloatVector.fromMemorySegment(SPECIES, ALL, source, LE);
      FloatVector v1 = FloatVector.fromMemorySegment(SPECIES, ALL, source + BYTES, LE);
      FloatVector v2 = FloatVector.fromMemorySegment(SPECIES, ALL, source + 2 * BYTES, LE);
      FloatVector v3 = FloatVector.fromMemorySegment(SPECIES, ALL, source + 3 * BYTES, LE);
      v0.intoMemorySegment(ALL, to0 + k * step0, LE);
      v1.intoMemorySegment(ALL, to1 + k * step1, LE);
      v2.intoMemorySegment(ALL, to2 + k * step2, LE);
      v3.intoMemorySegment(ALL, to3 + k * step3, LE);
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
  static void transpose(long from, long fromStride, int rows, int columns, long to, long toStride) {
    int r = 0;
    int blocks = columns / SQUARE;
    int whole = blocks * SQUARE;
    if (SQUARES && blocks > 0 && GemmWarmUp.ready()) {
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

  /** As {@link #squares}, of pairs of BF16 numbers that become floats. */
  static void pairs(long from, long fromStride, long to, long toStride, int blocks) {
    switch (SQUARE) {
      case 16 -> Transposes.pairs16(from, fromStride, to, toStride, blocks);
      case 8 -> Transposes.pairs8(from, fromStride, to, toStride, blocks);
      default -> Transposes.pairs4(from, fromStride, to, toStride, blocks);
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
      int done = count & -LENGTH;
      HalfLoops.fromBf16(from, to, done);
      gatherHalf(type, from + 2L * done, 2, count - done, to + 4L * done, 4);
    } else {
      gatherHalf(type, from, 2, count, to, 4);
    }
  }

  private static void zeroLanes(long to, int depth, long step, int columns) {
    for (int k = 0; k < depth; k++) {
      for (long o = 4L * columns; o < step; o += 4) {
        ALL.set(F32, to + k * step + o, 0f);
      }
    }
  }
}
