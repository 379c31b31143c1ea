package dev.theriac.bench.fullsize;

import dev.theriac.backend.Workers;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/**
 * Normally distributed BF16 weights, billions in seconds: each 16 bits of a counter's hash choose
 * one of 65,536 normal numbers. The same on every machine and for any number of threads.
 */
final class RandomWeights {
  private static final int LEVELS = 1 << 16;
  private static final long CHUNK = 1 << 20;

  private final long seed;
  private final float[] normal = new float[LEVELS];
  private long drawn;

  RandomWeights(long seed) {
    this.seed = seed;
    Rng rng = new Rng(seed);
    for (int i = 0; i < LEVELS; i++) normal[i] = (float) rng.nextGaussian();
  }

  /** Values around {@code mean} with standard deviation {@code std}. */
  Tensor next(double mean, double std, long... shape) {
    short[] levels = new short[LEVELS];
    for (int i = 0; i < LEVELS; i++) levels[i] = bf16((float) (mean + std * normal[i]));
    Tensor t = Tensor.empty("random weights", DType.BF16, shape);
    long size = t.size();
    long from = drawn;
    long at = t.strided().address();
    Workers.parallelFor(
        Math.toIntExact((size + CHUNK - 1) / CHUNK),
        chunk -> fill(levels, from, at, chunk * CHUNK, Math.min(size, (chunk + 1) * CHUNK)));
    drawn += size;
    return t;
  }

  private void fill(short[] levels, long from, long at, long begin, long end) {
    for (long i = begin; i < end; i += 4) {
      long bits = hash(seed * 0x9E3779B97F4A7C15L + from + i);
      for (long j = i; j < Math.min(end, i + 4); j++) {
        Host.setShort(at + 2 * j, levels[(int) (bits & LEVELS - 1)]);
        bits >>>= 16;
      }
    }
  }

  /** The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). */
  private static long hash(long x) {
    x = (x ^ x >>> 30) * 0xBF58476D1CE4E5B9L;
    x = (x ^ x >>> 27) * 0x94D049BB133111EBL;
    return x ^ x >>> 31;
  }

  /** Rounded to nearest, ties to even; there is no NaN. */
  private static short bf16(float x) {
    int bits = Float.floatToIntBits(x);
    return (short) (bits + 0x7fff + (bits >>> 16 & 1) >> 16);
  }
}
