package dev.theriac.moe.kit;

/**
 * How far a result may be from its reference. Both numbers are relative to the reference, never
 * absolute: an absolute tolerance passes anything once inputs are small.
 *
 * <ul>
 *   <li>the root of the mean squared error, over the whole output, relative to the output's own
 *       root mean square;
 *   <li>the largest error in each row (the last dimension), relative to the root mean square of
 *       that row, or to {@value #ROW_FLOOR} of the whole output's where the row is smaller, since a
 *       row behind a narrow layer may cancel to almost nothing.
 * </ul>
 *
 * Where the reference is 0 throughout, so must be the result. NaN, or an infinity where the
 * reference has none, is never within.
 *
 * @param rms tolerated relative root mean square error
 * @param row tolerated relative error of the worst element of a row
 */
public record Tolerance(double rms, double row) {
  static final double ROW_FLOOR = 0.25;

  /** F32 arithmetic through a whole layer: two matrix products, activation, router. */
  public static final Tolerance F32 = new Tolerance(2e-6, 3e-5);

  /** Gradients of the same in F32. */
  public static final Tolerance F32_GRADIENT = new Tolerance(5e-6, 1e-4);

  /** Float64 against central differences of float64. */
  public static final Tolerance F64_DIFFERENCES = new Tolerance(1e-9, 1e-8);

  /** F32 gradients against central differences of F32 functions. */
  public static final Tolerance F32_DIFFERENCES = new Tolerance(5e-4, 5e-3);

  /** A result rounded to BF16 once, at its end; its unit roundoff is 2^-8. */
  public static final Tolerance BF16 = new Tolerance(0x1p-8, 0x1p-6);

  /**
   * Compares.
   *
   * @param rowSize elements of a row; the size of the last dimension
   */
  public Comparison compare(String what, double[] reference, double[] actual, int rowSize) {
    if (reference.length != actual.length) {
      throw new AssertionError(
          "%s: %d elements, the reference has %d".formatted(what, actual.length, reference.length));
    }
    double size = rms(reference, 0, reference.length);
    double[] error = new double[reference.length];
    for (int i = 0; i < error.length; i++) error[i] = error(reference[i], actual[i]);
    double all = relative(rms(error, 0, error.length), size);
    double worst = 0;
    int at = 0;
    for (int from = 0; from < error.length; from += Math.max(1, rowSize)) {
      int to = Math.min(error.length, from + Math.max(1, rowSize));
      double scale = Math.max(rms(reference, from, to), ROW_FLOOR * size);
      for (int i = from; i < to; i++) {
        double relative = relative(error[i], scale);
        if (relative > worst || Double.isNaN(relative)) {
          worst = relative;
          at = i;
        }
      }
    }
    return new Comparison(what, all, worst, at, size, reference, actual, this);
  }

  private static double error(double wanted, double got) {
    if (wanted == got) return 0;
    double error = Math.abs(wanted - got);
    return Double.isNaN(error) ? Double.POSITIVE_INFINITY : error;
  }

  private static double relative(double error, double size) {
    return error == 0 ? 0 : error / size;
  }

  private static double rms(double[] values, int from, int to) {
    double largest = 0;
    for (int i = from; i < to; i++) largest = Math.max(largest, Math.abs(values[i]));
    if (largest == 0 || !(largest < Double.POSITIVE_INFINITY)) return largest;
    double sum = 0;
    for (int i = from; i < to; i++) sum += (values[i] / largest) * (values[i] / largest);
    return largest * Math.sqrt(sum / (to - from));
  }
}
