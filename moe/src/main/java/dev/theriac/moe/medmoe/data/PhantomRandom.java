package dev.theriac.moe.medmoe.data;

import java.util.List;

/**
 * Counter-based random numbers: the mixing function of SplitMix64 (Steele, Lea and Flood, 2014)
 * over key and counter, so that the bits depend on nothing but the key. Not thread-safe.
 */
final class PhantomRandom {
  private static final long GOLDEN = 0x9E3779B97F4A7C15L;

  private final long key;
  private long counter;

  /** A stream of its own for every (seed, stream, index). */
  PhantomRandom(long seed, long stream, long index) {
    this.key = mix(mix(mix(seed + GOLDEN) ^ stream) + index * GOLDEN);
  }

  private static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }

  private long bits() {
    return mix(key + ++counter * GOLDEN);
  }

  /** Uniform in [low, high). */
  double uniform(double low, double high) {
    return low + (high - low) * ((bits() >>> 11) * 0x1p-53);
  }

  /** Uniform in 0 .. bound-1. */
  int below(int bound) {
    return (int) (((bits() >>> 32) * bound) >>> 32);
  }

  boolean coin() {
    return bits() < 0;
  }

  <T> T pick(List<T> choices) {
    return choices.get(below(choices.size()));
  }

  /**
   * About normal, mean 0 and deviation 1: the sum of four 16-bit uniforms. No logarithm, whose last
   * bit could differ between machines.
   */
  double noise() {
    long z = bits();
    long sum = (z & 0xFFFF) + (z >>> 16 & 0xFFFF) + (z >>> 32 & 0xFFFF) + (z >>> 48);
    return (sum - 131070.0) / 37837.0;
  }
}
