package dev.theriac.bench.performance;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Halves;
import dev.theriac.tensor.Layout;

/**
 * A tensor whose numbers follow from their places alone, so that every engine has the same without
 * being sent them. Row-major.
 *
 * @param name told apart by it within a case
 * @param dtype F32, BF16 or I64
 * @param scale half the width of the interval in which floats lie uniformly; I64 lie in [0, scale)
 * @param offset the middle of that interval, or what is added to integers
 */
public record Input(String name, DType dtype, double scale, double offset, long... shape) {
  public Input {
    if (dtype != DType.F32 && dtype != DType.BF16 && dtype != DType.I64) {
      throw new IllegalArgumentException("input " + name + ": no numbers of type " + dtype);
    }
    shape = shape.clone();
  }

  /** Floats in [-1, 1). */
  public static Input f32(String name, long... shape) {
    return new Input(name, DType.F32, 1, 0, shape);
  }

  /** Floats in [-1, 1), rounded to BF16. */
  public static Input bf16(String name, long... shape) {
    return new Input(name, DType.BF16, 1, 0, shape);
  }

  /** Integers in [0, below). */
  public static Input i64(String name, long below, long... shape) {
    return new Input(name, DType.I64, below, 0, shape);
  }

  /** Memory to write into: zeros. */
  public static Input space(String name, long... shape) {
    return new Input(name, DType.F32, 0, 0, shape);
  }

  /** Floats in [-scale, scale). */
  public Input scaled(double by) {
    return new Input(name, dtype, by, offset, shape);
  }

  public long size() {
    return Layout.contiguous(shape).size();
  }

  /** SplitMix64's output function (Steele et al. 2014) of the place, to 24 bits. */
  public double at(long index) {
    long z = index * 0x9E3779B97F4A7C15L + name.hashCode() * 0xD1342543DE82EF95L;
    z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
    z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
    z ^= z >>> 31;
    if (dtype == DType.I64) return Math.floorMod(z >>> 1, Math.max(1, (long) scale)) + offset;
    float value = (float) (((z >>> 40) * 0x1p-23 - 1) * scale + offset);
    return dtype == DType.BF16 ? Halves.fromBf16(Halves.toBf16(value)) : value;
  }
}
