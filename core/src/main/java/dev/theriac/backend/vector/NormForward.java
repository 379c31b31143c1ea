package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.tensor.Host;

/**
 * A norm of rows, or of their sums with other rows.
 *
 * @param n elements of a row
 * @param r rows to be added first, or 0
 * @param b shift of LayerNorm, or 0 for RMSNorm
 * @param s where sums go; x where nothing is added
 * @param mean where means go, or 0 for RMSNorm
 */
record NormForward(
    int n, long x, long r, long w, long b, float eps, long s, long y, long mean, long rstd) {

  /** Rows {@code from} to {@code to}. */
  void run(long from, long to) {
    long scratch = Tails.vectors(4);
    if (n % LENGTH != 0) {
      for (long i = from; i < to; i++) ragged(i, scratch);
      return;
    }
    long step = 4L * n;
    for (long i = from; i < to; i++) {
      if (b == 0) plain(i, i * step, scratch);
      else centred(i, i * step, scratch);
    }
  }

  private void plain(long i, long at, long scratch) {
    if (r == 0) NormLoops.squares(x + at, n, scratch);
    else NormLoops.addSquares(x + at, r + at, s + at, n, scratch);
    NormStatistics.plain(s + at, n, eps, rstd + 4 * i, scratch);
    NormLoops.scale(s + at, w, y + at, Host.getFloat(rstd + 4 * i), n);
  }

  private void centred(long i, long at, long scratch) {
    float shift = NormStatistics.guess(x + at, r == 0 ? 0 : r + at, n);
    if (r == 0) NormLoops.moments(x + at, shift, n, scratch);
    else NormLoops.addMoments(x + at, r + at, s + at, shift, n, scratch);
    NormStatistics.centred(s + at, shift, n, eps, mean + 4 * i, rstd + 4 * i, scratch);
    float center = Host.getFloat(mean + 4 * i);
    NormLoops.shift(s + at, w, b, y + at, center, Host.getFloat(rstd + 4 * i), n);
  }

  /** A row whose end is not a whole vector. */
  private void ragged(long i, long scratch) {
    long at = 4L * i * n;
    int whole = n & -LENGTH;
    int rest = n - whole;
    long last = 4L * whole;
    long from = s + at;
    if (r != 0) {
      for (int k = 0; k < n; k++) {
        long o = at + 4L * k;
        Host.setFloat(s + o, Host.getFloat(x + o) + Host.getFloat(r + o));
      }
    }
    if (b == 0) {
      NormLoops.squares(from, whole, scratch);
      double squares = Tails.sum(scratch);
      for (int k = whole; k < n; k++) {
        double value = Host.getFloat(from + 4L * k);
        squares += value * value;
      }
      NormStatistics.plain(from, n, eps, rstd + 4 * i, squares);
    } else {
      statistics(from, whole, i, scratch);
    }
    float scale = Host.getFloat(rstd + 4 * i);
    long end = scratch + 2 * BYTES;
    Tails.copy(from + last, end, rest);
    Tails.copy(w + last, scratch, rest);
    if (b == 0) {
      NormLoops.scale(from, w, y + at, scale, whole);
      NormLoops.scale(end, scratch, end, scale, LENGTH);
    } else {
      float center = Host.getFloat(mean + 4 * i);
      Tails.copy(b + last, scratch + BYTES, rest);
      NormLoops.shift(from, w, b, y + at, center, scale, whole);
      NormLoops.shift(end, scratch, scratch + BYTES, end, center, scale, LENGTH);
    }
    Tails.copy(end, y + at + last, rest);
  }

  private void statistics(long from, int whole, long i, long scratch) {
    float shift = NormStatistics.guess(from, 0, n);
    for (boolean again = false; ; again = true) {
      NormLoops.moments(from, shift, whole, scratch);
      double squares = Tails.sum(scratch);
      double sum = Tails.sum(scratch + BYTES);
      for (int k = whole; k < n; k++) {
        double off = (double) Host.getFloat(from + 4L * k) - shift;
        squares += off * off;
        sum += off;
      }
      if (!(squares < Double.POSITIVE_INFINITY)) {
        NormStatistics.large(from, n, eps, mean + 4 * i, rstd + 4 * i);
        return;
      }
      if (again || !NormStatistics.cancels(n, sum, squares)) {
        NormStatistics.write(n, eps, mean + 4 * i, rstd + 4 * i, shift, sum, squares);
        return;
      }
      shift = (float) (shift + sum / n);
    }
  }
}
