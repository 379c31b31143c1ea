package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;
import static jdk.incubator.vector.VectorOperators.GE;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.XOR;

import dev.theriac.tensor.Host;
import dev.theriac.tensor.Philox;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Philox4x32-10 ({@link Philox}) many blocks at a time: a block a 64-bit lane, each word of its
 * state in the lower half of a lane, so that a product of two words is one multiplication.
 */
final class PhiloxLoops {
  private static final VectorSpecies<Long> LONGS = SPECIES.withLanes(long.class);
  private static final long WORD = 0xffffffffL;
  private static final long M0 = 0xD2511F53L;
  private static final long M1 = 0xCD9E8D57L;
  private static final int W0 = 0x9E3779B9;
  private static final int W1 = 0xBB67AE85;

  /** Words of a batch. */
  private static final int BATCH = 2 * LENGTH;

  private static final LongVector IOTA = LongVector.zero(LONGS).addIndex(1);
  private static final long[] LOW = interleave(0);
  private static final long[] HIGH = interleave(LENGTH / 4);

  private PhiloxLoops() {}

  /** Takes lanes first, first+1, ... of two vectors by turns. */
  private static long[] interleave(int first) {
    long[] index = new long[LENGTH / 2];
    for (int i = 0; i < index.length; i++) {
      index[i] = first + i / 2 + (i % 2 == 0 ? 0 : index.length);
    }
    return index;
  }

  /** y[i] = x[i] scale where the uniform of word {@code word + i} is at least p, else 0. */
  static void dropout(
      long x, long y, int n, float p, float scale, long seed, long stream, long word) {
    // A uniform is 24 bits of a word times 2^-24: exact, so that whole numbers can be compared.
    int least = (int) Math.ceil(p * 0x1p24);
    int head = (int) Math.min(n, -word & 3);
    one(x, y, head, least, scale, seed, stream, word);
    int batches = (n - head) / BATCH;
    long o = 4L * head;
    many(x + o, y + o, batches, least, scale, seed, stream, word + head >>> 2);
    int done = head + batches * BATCH;
    o = 4L * done;
    one(x + o, y + o, n - done, least, scale, seed, stream, word + done);
  }

  private static void one(
      long x, long y, int n, int least, float scale, long seed, long stream, long word) {
    if (n == 0) return;
    int[] words = new int[4];
    for (int i = 0; i < n; i++, word++) {
      if (i == 0 || (word & 3) == 0) Philox.block(seed, stream, word >>> 2, words);
      boolean keep = words[(int) (word & 3)] >>> 8 >= least;
      Host.setFloat(y + 4L * i, keep ? Host.getFloat(x + 4L * i) * scale : 0);
    }
  }

  private static void many(
      long x, long y, int batches, int least, float scale, long seed, long stream, long block) {
    LongVector low = LongVector.fromArray(LONGS, LOW, 0);
    LongVector high = LongVector.fromArray(LONGS, HIGH, 0);
    for (int b = 0; b < batches; b++) {
      LongVector counter = IOTA.add(block + (long) b * (LENGTH / 2));
      LongVector c0 = counter.and(WORD);
      LongVector c1 = counter.lanewise(LSHR, 32);
      LongVector c2 = LongVector.broadcast(LONGS, stream & WORD);
      LongVector c3 = LongVector.broadcast(LONGS, stream >>> 32);
      int k0 = (int) seed;
      int k1 = (int) (seed >>> 32);
      for (int round = 0; round < 10; round++) {
        LongVector p0 = c0.mul(M0);
        LongVector p1 = c2.mul(M1);
        c0 = p1.lanewise(LSHR, 32).lanewise(XOR, c1).lanewise(XOR, k0 & WORD);
        c2 = p0.lanewise(LSHR, 32).lanewise(XOR, c3).lanewise(XOR, k1 & WORD);
        c1 = p1.and(WORD);
        c3 = p0.and(WORD);
        k0 += W0;
        k1 += W1;
      }
      // Lanes of two words each, in the order of the words.
      LongVector front = c0.or(c1.lanewise(LSHL, 32));
      LongVector back = c2.or(c3.lanewise(LSHL, 32));
      long o = 4L * BATCH * b;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE).mul(scale);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, x + o + BYTES, LE).mul(scale);
      FloatVector zero = FloatVector.zero(SPECIES);
      zero.blend(
              v,
              low.selectFrom(front, back)
                  .reinterpretAsInts()
                  .lanewise(LSHR, 8)
                  .compare(GE, least)
                  .cast(SPECIES))
          .intoMemorySegment(ALL, y + o, LE);
      zero.blend(
              w,
              high.selectFrom(front, back)
                  .reinterpretAsInts()
                  .lanewise(LSHR, 8)
                  .compare(GE, least)
                  .cast(SPECIES))
          .intoMemorySegment(ALL, y + o + BYTES, LE);
    }
  }
}
