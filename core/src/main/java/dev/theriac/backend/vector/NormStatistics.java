package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;

import dev.theriac.tensor.Host;

/**
 * Mean and variance of a row from one reading of it: of the differences to a guess of the mean, the
 * mean of squares minus the square of the mean. Where the guess is so bad that this would cancel,
 * the row is read again with the mean found, and in float64 where squares are too large for F32; a
 * row's bits depend on the row alone.
 */
final class NormStatistics {
  /** Above this part of the mean square, the square of the mean takes too many of its digits. */
  private static final double CANCELS = 0.75;

  private NormStatistics() {}

  /** The mean of four elements of the row x, or x + r where r is not 0. */
  static float guess(long x, long r, int n) {
    float a = Host.getFloat(x);
    float b = Host.getFloat(x + 4L * (n / 4));
    float c = Host.getFloat(x + 4L * (n / 2));
    float d = Host.getFloat(x + 4L * (n / 2 + n / 4));
    if (r != 0) {
      a += Host.getFloat(r);
      b += Host.getFloat(r + 4L * (n / 4));
      c += Host.getFloat(r + 4L * (n / 2));
      d += Host.getFloat(r + 4L * (n / 2 + n / 4));
    }
    // Quarters, since the sum of four large elements is infinite.
    return 0.25f * a + 0.25f * b + (0.25f * c + 0.25f * d);
  }

  /** From the sum of squares at {@code scratch}, of the row x of whole vectors. */
  static void plain(long x, int n, float eps, long rstd, long scratch) {
    plain(x, n, eps, rstd, Tails.sum(scratch));
  }

  /** From the sum of squares of the row x, which is read again where they are too large for F32. */
  static void plain(long x, int n, float eps, long rstd, double squares) {
    if (squares == Double.POSITIVE_INFINITY) squares = squares(x, n, 0);
    write(n, eps, rstd, squares);
  }

  private static double squares(long x, int n, double mean) {
    double squares = 0;
    for (int i = 0; i < n; i++) {
      double off = Host.getFloat(x + 4L * i) - mean;
      squares += off * off;
    }
    return squares;
  }

  /** For a row whose squares F32 does not hold, or one with elements that are no numbers. */
  static void large(long x, int n, float eps, long mean, long rstd) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += Host.getFloat(x + 4L * i);
    Host.setFloat(mean, (float) (sum / n));
    write(n, eps, rstd, squares(x, n, sum / n));
  }

  /** From the sums about {@code shift} at {@code scratch}, of a row of whole vectors. */
  static void centred(long x, float shift, int n, float eps, long mean, long rstd, long scratch) {
    double squares = Tails.sum(scratch);
    double sum = Tails.sum(scratch + BYTES);
    if (!(squares < Double.POSITIVE_INFINITY)) {
      large(x, n, eps, mean, rstd);
      return;
    }
    if (cancels(n, sum, squares)) {
      shift = (float) (shift + sum / n);
      NormLoops.moments(x, shift, n, scratch);
      squares = Tails.sum(scratch);
      sum = Tails.sum(scratch + BYTES);
    }
    write(n, eps, mean, rstd, shift, sum, squares);
  }

  static boolean cancels(int n, double sum, double squares) {
    return sum * sum > CANCELS * n * squares;
  }

  static void write(int n, float eps, long rstd, double squares) {
    Host.setFloat(rstd, (float) (1 / Math.sqrt(squares / n + eps)));
  }

  static void write(
      int n, float eps, long mean, long rstd, float shift, double sum, double squares) {
    double off = sum / n;
    Host.setFloat(mean, (float) (shift + off));
    write(n, eps, rstd, Math.max(0, squares - sum * off));
  }
}
