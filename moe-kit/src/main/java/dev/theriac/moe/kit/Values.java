package dev.theriac.moe.kit;

import dev.theriac.tensor.Tensor;
import java.util.Arrays;

/** Between tensors and arrays of doubles. */
final class Values {
  private Values() {}

  /** The elements in row-major order. */
  static double[] of(Tensor t) {
    return of(t.toFloats());
  }

  static double[] of(float[] floats) {
    double[] out = new double[floats.length];
    for (int i = 0; i < out.length; i++) out[i] = floats[i];
    return out;
  }

  /** Rows [N][C] of a tensor [N, C]. */
  static double[][] rows(Tensor t) {
    return rows(of(t), Math.toIntExact(t.size(1)), Math.toIntExact(t.size(0)));
  }

  static double[][] rows(double[] flat, int columns, int rows) {
    double[][] out = new double[rows][];
    for (int r = 0; r < rows; r++) {
      out[r] = Arrays.copyOfRange(flat, r * columns, (r + 1) * columns);
    }
    return out;
  }

  static double[] flat(double[][] rows) {
    return Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray();
  }
}
