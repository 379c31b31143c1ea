package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.tensor.Host;

/**
 * Gradients of a norm for some of its rows.
 *
 * @param n elements of a row
 * @param padded n rounded up to whole vectors
 * @param mean 0 for RMSNorm
 * @param d gradient of x, or 0 when nobody wants it
 * @param add whether d holds a gradient already, to which this one is added
 * @param sums for each task, gradients of weight and shift, padded
 */
record NormGradient(
    int n,
    int padded,
    long x,
    long w,
    long mean,
    long rstd,
    long g,
    long d,
    boolean add,
    long sums) {
  private static final int ROWS = 2;

  /** Rows {@code from} to {@code to}, which are task {@code task}. */
  void run(int task, long from, long to) {
    long dw = sums + 8L * padded * task;
    Moves.fill(dw, 2 * padded, 0);
    long tail = Tails.vectors(7);
    // Where the gradient of x does not go straight to its place.
    long aside = d == 0 || add ? Workspace.get(Workspace.TASK, 4L * ROWS * padded) : 0;
    long i = from;
    if (padded == n) {
      for (; i + ROWS <= to; i += ROWS) pair(i, dw, aside, tail);
    }
    for (; i < to; i++) one(i, dw, aside, tail);
  }

  private void pair(long i, long dw, long aside, long tail) {
    long step = 4L * n;
    long at = i * step;
    long statistics = tail + 2 * BYTES;
    for (int k = 0; k < ROWS; k++) {
      long to = statistics + 4L * NormGradientLoops.STATISTICS * k;
      float scale = Host.getFloat(rstd + 4 * (i + k));
      long row = at + k * step;
      Host.setFloat(to, scale);
      if (mean == 0) {
        NormGradientLoops.plainSums(x + row, w, g + row, n, tail);
      } else {
        float center = Host.getFloat(mean + 4 * (i + k));
        NormGradientLoops.centredSums(x + row, w, g + row, n, center, tail);
        Host.setFloat(to + 8, center);
        Host.setFloat(to + 12, Tails.sum(tail + BYTES) / n);
      }
      Host.setFloat(to + 4, Tails.sum(tail) * scale / n);
    }
    long out = aside == 0 ? d + at : aside;
    if (mean == 0) NormGradientLoops.plain2(x + at, w, g + at, out, dw, n, step, statistics);
    else {
      long db = dw + 4L * padded;
      NormGradientLoops.centred2(x + at, w, g + at, out, dw, db, n, step, statistics);
    }
    if (add) BinaryLoops.add(d + at, aside, d + at, ROWS * n);
  }

  private void one(long i, long dw, long aside, long tail) {
    int whole = n & -LENGTH;
    int rest = n - whole;
    long at = 4L * i * n;
    long last = 4L * whole;
    long db = dw + 4L * padded;
    float center = mean == 0 ? 0 : Host.getFloat(mean + 4 * i);
    float scale = Host.getFloat(rstd + 4 * i);
    sums(x + at, w, g + at, whole, center, tail);
    float product = Tails.sum(tail);
    float sum = mean == 0 ? 0 : Tails.sum(tail + BYTES);
    long endX = tail + 2 * BYTES;
    long endW = tail + 3 * BYTES;
    long endG = tail + 4 * BYTES;
    if (rest > 0) {
      Tails.pad(x + at + last, endX, rest, 0);
      Tails.pad(w + last, endW, rest, 0);
      Tails.pad(g + at + last, endG, rest, 0);
      sums(endX, endW, endG, LENGTH, center, tail);
      product += Tails.sum(tail);
      if (mean != 0) sum += Tails.sum(tail + BYTES);
    }
    float meanProduct = product * scale / n;
    float meanSum = sum / n;
    long out = aside == 0 ? d + at : aside;
    gradient(x + at, w, g + at, out, dw, db, whole, center, scale, meanSum, meanProduct);
    if (rest > 0) {
      long end = tail + 5 * BYTES;
      gradient(
          endX, endW, endG, end, dw + last, db + last, LENGTH, center, scale, meanSum, meanProduct);
      Tails.copy(end, out + last, rest);
    }
    if (!add) return;
    BinaryLoops.add(d + at, out, d + at, whole);
    for (int k = whole; k < n; k++) {
      long o = 4L * k;
      Host.setFloat(d + at + o, Host.getFloat(d + at + o) + Host.getFloat(out + o));
    }
  }

  private void sums(long x, long w, long g, int count, float center, long scratch) {
    if (mean == 0) NormGradientLoops.plainSums(x, w, g, count, scratch);
    else NormGradientLoops.centredSums(x, w, g, count, center, scratch);
  }

  private void gradient(
      long x,
      long w,
      long g,
      long d,
      long dw,
      long db,
      int count,
      float center,
      float scale,
      float sum,
      float product) {
    if (mean == 0) NormGradientLoops.plain(x, w, g, d, dw, count, scale, product);
    else NormGradientLoops.centred(x, w, g, d, dw, db, count, center, scale, sum, product);
  }
}
