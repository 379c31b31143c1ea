package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.I2S;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.ZERO_EXTEND_S2I;

import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * Conversions between F32 and the half types over whole vectors, with integer arithmetic alone. The
 * results are those of {@link dev.theriac.tensor.Halves}, {@link Float#floatToFloat16} and {@link
 * Float#float16ToFloat}, bit for bit, except that a signalling NaN may stay one.
 */
final class HalfLoops {
  private static final VectorSpecies<Integer> INTS = SPECIES.withLanes(int.class);
  private static final VectorSpecies<Short> SHORTS =
      VectorSpecies.of(short.class, VectorShape.forBitSize(Math.max(64, 16 * LENGTH)));

  /** The bits of infinity in F32. */
  private static final int INFINITY = 0x7f800000;

  private HalfLoops() {}

  static void fromBf16(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      IntVector h =
          (IntVector)
              ShortVector.fromMemorySegment(SHORTS, ALL, x + 2L * i, LE)
                  .convertShape(ZERO_EXTEND_S2I, INTS, 0);
      h.lanewise(LSHL, 16).intoMemorySegment(ALL, y + 4L * i, LE);
    }
  }

  /** Widens four neighbouring vectors of each row, each to a place and with a step of its own. */
  static void linesFromBf16(
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
    for (int k = 0; k < depth; k++) {
      long source = from + k * fromStride;
      IntVector h0 =
          (IntVector)
              ShortVector.fromMemorySegment(SHORTS, ALL, source, LE)
                  .convertShape(ZERO_EXTEND_S2I, INTS, 0);
      h0.lanewise(LSHL, 16).intoMemorySegment(ALL, to0 + k * step0, LE);
      IntVector h1 =
          (IntVector)
              ShortVector.fromMemorySegment(SHORTS, ALL, source + 2L * LENGTH, LE)
                  .convertShape(ZERO_EXTEND_S2I, INTS, 0);
      h1.lanewise(LSHL, 16).intoMemorySegment(ALL, to1 + k * step1, LE);
      IntVector h2 =
          (IntVector)
              ShortVector.fromMemorySegment(SHORTS, ALL, source + 4L * LENGTH, LE)
                  .convertShape(ZERO_EXTEND_S2I, INTS, 0);
      h2.lanewise(LSHL, 16).intoMemorySegment(ALL, to2 + k * step2, LE);
      IntVector h3 =
          (IntVector)
              ShortVector.fromMemorySegment(SHORTS, ALL, source + 6L * LENGTH, LE)
                  .convertShape(ZERO_EXTEND_S2I, INTS, 0);
      h3.lanewise(LSHL, 16).intoMemorySegment(ALL, to3 + k * step3, LE);
    }
  }

  /** Rounds to nearest, ties to even. */
  static void toBf16(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      IntVector b = IntVector.fromMemorySegment(INTS, ALL, x + 4L * i, LE);
      IntVector r = b.lanewise(LSHR, 16).and(1).add(0x7fff).add(b);
      r = r.blend(b.or(0x400000), b.and(0x7fffffff).compare(GT, INFINITY));
      r.lanewise(LSHR, 16).convertShape(I2S, SHORTS, 0).intoMemorySegment(ALL, y + 2L * i, LE);
    }
  }

  static void fromF16(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      IntVector h =
          (IntVector)
              ShortVector.fromMemorySegment(SHORTS, ALL, x + 2L * i, LE)
                  .convertShape(ZERO_EXTEND_S2I, INTS, 0);
      IntVector size = h.and(0x7fff).lanewise(LSHL, 13);
      // The exponents differ by 112; a multiplication also brings subnormal ones in order.
      IntVector r = size.reinterpretAsFloats().mul(0x1p112f).reinterpretAsInts();
      r = r.blend(size.or(INFINITY), h.and(0x7fff).compare(GT, 0x7bff));
      r.or(h.and(0x8000).lanewise(LSHL, 16)).intoMemorySegment(ALL, y + 4L * i, LE);
    }
  }

  /** Rounds to nearest, ties to even. */
  static void toF16(long x, long y, int n) {
    for (int i = 0; i < n; i += LENGTH) {
      IntVector b = IntVector.fromMemorySegment(INTS, ALL, x + 4L * i, LE);
      IntVector size = b.and(0x7fffffff);
      IntVector r = size.lanewise(LSHR, 13).and(1).add(size).sub(112 << 23).add(0xfff);
      r = r.lanewise(LSHR, 13);
      // Below 2^-14 results are multiples of 2^-24: an addition to 1/2 rounds to them.
      IntVector small = size.reinterpretAsFloats().add(0.5f).reinterpretAsInts().sub(0x3f000000);
      r = r.blend(small, size.compare(LT, 0x38800000));
      r = r.blend(0x7c00, size.compare(GT, 0x477fefff));
      VectorMask<Integer> nan = size.compare(GT, INFINITY);
      r = r.blend(size.lanewise(LSHR, 13).and(0x3ff).or(0x7e00), nan);
      r = r.or(b.lanewise(LSHR, 16).and(0x8000));
      r.convertShape(I2S, SHORTS, 0).intoMemorySegment(ALL, y + 2L * i, LE);
    }
  }
}
