package dev.theriac.bench.frame;

import java.util.Arrays;

/** Medians, of values and of ratios taken within a round. */
public final class Stats {
  private Stats() {}

  /**
   * The middle value, or the mean of the two middle ones.
   *
   * @throws IllegalArgumentException without values
   */
  public static double median(double[] values) {
    if (values.length == 0) throw new IllegalArgumentException("median of no values");
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int middle = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }

  /** x[i] / y[i]. */
  public static double[] ratios(double[] x, double[] y) {
    if (x.length != y.length) {
      throw new IllegalArgumentException(x.length + " rounds against " + y.length);
    }
    double[] ratios = new double[x.length];
    for (int i = 0; i < x.length; i++) ratios[i] = x[i] / y[i];
    return ratios;
  }
}
