package dev.theriac.op;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntToDoubleFunction;

/** What the family tests iterate over. */
final class Samples {
  static final List<DType> FLOATING = List.of(DType.F32, DType.BF16, DType.F16);

  /** Odd shapes: rank 0, nothing, one element, sizes off every vector width, several dimensions. */
  static final List<long[]> SHAPES =
      List.of(
          new long[] {},
          new long[] {0},
          new long[] {1},
          new long[] {3},
          new long[] {17},
          new long[] {129},
          new long[] {0, 3},
          new long[] {3, 0},
          new long[] {1, 17},
          new long[] {17, 1},
          new long[] {3, 129},
          new long[] {129, 3},
          new long[] {2, 3, 5},
          new long[] {3, 1, 17, 2});

  private Samples() {}

  /** The scalar back end and, where this JVM has it, the vector one. */
  static List<Backend> backends() {
    List<Backend> all = new ArrayList<>(List.of(Backends.scalar()));
    if (Backends.cpu().backend() != Backends.scalar()) all.add(Backends.cpu().backend());
    return all;
  }

  /** Standard normal values. */
  static Tensor normal(long seed, long... shape) {
    return Tensor.randn(new Rng(seed), 1, shape);
  }

  static Tensor normal(long seed, DType dtype, long... shape) {
    return normal(seed, shape).to(dtype);
  }

  /** Values between {@code low} and {@code high}. */
  static Tensor uniform(long seed, double low, double high, long... shape) {
    return Tensor.uniform(new Rng(seed), low, high, shape);
  }

  /** Ids below {@code bound}, of which some repeat. */
  static Tensor ids(long seed, int bound, long... shape) {
    Rng rng = new Rng(seed);
    return longs(i -> rng.nextInt(bound), shape);
  }

  static Tensor longs(IntToDoubleFunction value, long... shape) {
    int n = 1;
    for (long s : shape) n *= (int) s;
    long[] values = new long[n];
    for (int i = 0; i < n; i++) values[i] = (long) value.applyAsDouble(i);
    return Tensor.of(values, 1, n).reshape(shape);
  }

  /** The elements in row-major order, as doubles. */
  static double[] doubles(Tensor t) {
    float[] floats = t.toFloats();
    double[] out = new double[floats.length];
    for (int i = 0; i < out.length; i++) out[i] = floats[i];
    return out;
  }
}
