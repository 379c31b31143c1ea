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

  /** Half a kilobyte: rows of RMSNorm are written faster in such pieces than all at once. */
  private static final int PIECE = 128;

  /** Rows {@code from} to {@code to}. */
  void run(long from, long to) {
    long scratch = Tails.vectors(4);
    if (n % LENGTH != 0) {
      for (long i = from; i < to; i++) ragged(i, scratch);
      return;
    }
    if (b == 0) plain(from, to, scratch);
    else centred(from, to, scratch);
  }

  private void plain(long from, long to, long scratch) {
    long step = 4L * n;
    long at = from * step;
    boolean even = even();
    if (r == 0) NormLoops.squares(x + at, n, scratch);
    else NormLoops.addSquares(x + at, r + at, s + at, n, scratch);
    for (long i = from; i < to; i++, at += step) {
      NormStatistics.plain(s + at, n, eps, rstd + 4 * i, scratch);
      float scale = Host.getFloat(rstd + 4 * i);
      long next = at + step;
      if (r == 0 || i + 1 == to || !even) {
        scale(s + at, y + at, scale);
        if (i + 1 == to) return;
        // Not in one loop, where nothing but two rows passes: that is slower.
        if (r == 0) NormLoops.squares(x + next, n, scratch);
        else NormLoops.addSquares(x + next, r + next, s + next, n, scratch);
      } else {
        NormNextLoops.scaleAddSquares(
            s + at, w, y + at, scale, n, x + next, r + next, s + next, scratch);
      }
    }
  }

  private void scale(long u, long to, float scale) {
    for (int i = 0; i < n; i += PIECE) {
      NormLoops.scale(u + 4L * i, w + 4L * i, to + 4L * i, scale, Math.min(PIECE, n - i));
    }
  }

  private void centred(long from, long to, long scratch) {
    long step = 4L * n;
    long at = from * step;
    boolean even = even();
    float guess = guess(at);
    if (r == 0) NormLoops.moments(x + at, guess, n, scratch);
    else NormLoops.addMoments(x + at, r + at, s + at, guess, n, scratch);
    float following = from + 1 < to ? guess(at + step) : 0;
    for (long i = from; i < to; i++, at += step) {
      NormStatistics.centred(s + at, guess, n, eps, mean + 4 * i, rstd + 4 * i, scratch);
      float center = Host.getFloat(mean + 4 * i);
      float scale = Host.getFloat(rstd + 4 * i);
      long next = at + step;
      guess = following;
      // Long before it is wanted: its elements come from memory.
      if (i + 2 < to) following = guess(next + step);
      if (i + 1 == to || !even) {
        NormLoops.shift(s + at, w, b, y + at, center, scale, n);
        if (i + 1 == to) return;
        if (r == 0) NormLoops.moments(x + next, guess, n, scratch);
        else NormLoops.addMoments(x + next, r + next, s + next, guess, n, scratch);
      } else if (r == 0) {
        NormNextLoops.shiftMoments(
            x + at, w, b, y + at, center, scale, n, x + next, guess, scratch);
      } else {
        NormNextLoops.shiftAddMoments(
            s + at, w, b, y + at, center, scale, n, x + next, r + next, s + next, guess, scratch);
      }
    }
  }

  /** Whether {@link NormNextLoops} take the rows. */
  private boolean even() {
    return n % (2 * LENGTH) == 0;
  }

  private float guess(long at) {
    return NormStatistics.guess(x + at, r == 0 ? 0 : r + at, n);
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
