package dev.theriac.bench.gemm;

import java.util.SplittableRandom;

/**
 * Seeded operands of {@code c = a b}, all row-major, the same for every engine.
 *
 * @param m rows of a and c
 * @param n columns of b and c
 * @param k columns of a, rows of b
 */
public record GemmProblem(int m, int n, int k) {

  private static final int SAMPLES = 200;

  /** Reads a shape written as {@code 1024x1024x1024}: rows, columns, depth. */
  public static GemmProblem parse(String shape) {
    String[] sizes = shape.split("x");
    if (sizes.length != 3) {
      throw new IllegalArgumentException("shape " + shape + " is not of the form MxNxK");
    }
    return new GemmProblem(
        Integer.parseInt(sizes[0]), Integer.parseInt(sizes[1]), Integer.parseInt(sizes[2]));
  }

  /** Floating-point operations of one product. */
  public double flops() {
    return 2.0 * m * n * k;
  }

  /** The left operand, [m, k]. */
  public float[] a() {
    return values(1, m * k);
  }

  /** The right operand, [k, n]. */
  public float[] b() {
    return values(2, k * n);
  }

  private static float[] values(long seed, int count) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) (random.nextDouble() * 2 - 1);
    }
    return values;
  }

  /**
   * Largest error of {@code c} over sampled entries, corners among them, as a share of the sum of
   * the absolute values of an entry's terms.
   */
  public double error(float[] c) {
    float[] a = a();
    float[] b = b();
    SplittableRandom random = new SplittableRandom(3);
    double worst = 0;
    for (int s = 0; s < SAMPLES; s++) {
      int i = s < 2 ? 0 : s < 4 ? m - 1 : random.nextInt(m);
      int j = s % 2 == 0 && s < 4 ? 0 : s < 4 ? n - 1 : random.nextInt(n);
      double exact = 0;
      double size = 0;
      for (int p = 0; p < k; p++) {
        double term = (double) a[i * k + p] * b[p * n + j];
        exact += term;
        size += Math.abs(term);
      }
      worst = Math.max(worst, Math.abs(exact - c[i * n + j]) / Math.max(size, Double.MIN_NORMAL));
    }
    return worst;
  }

  /** As {@link #error(float[])}, of entries at the given flat places. */
  public double error(long[] places, double[] values) {
    float[] a = a();
    float[] b = b();
    double worst = 0;
    for (int s = 0; s < places.length; s++) {
      int i = Math.toIntExact(places[s] / n);
      int j = Math.toIntExact(places[s] % n);
      double exact = 0;
      double size = Double.MIN_NORMAL;
      for (int p = 0; p < k; p++) {
        double term = (double) a[i * k + p] * b[p * n + j];
        exact += term;
        size += Math.abs(term);
      }
      double off = Math.abs(exact - values[s]) / size;
      if (!(off <= worst)) worst = off; // NaN counts as worst
    }
    return worst;
  }
}
