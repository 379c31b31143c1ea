package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.AttentionBlock.QUERIES;
import static dev.theriac.backend.vector.AttentionBlock.ROW;
import static dev.theriac.backend.vector.AttentionBlock.TALL;
import static dev.theriac.backend.vector.AttentionCall.roundUp;
import static dev.theriac.backend.vector.AttentionWarmUp.WIDEST;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.vector.AttentionCall.Heads;
import dev.theriac.tensor.Host;

/**
 * The forward pass of some blocks of queries. Up to {@link #SPAN} keys at a time have their scores
 * in a strip, with the plain softmax; of more keys than that, a block's sums are carried from one
 * stretch of keys to the next and scaled down where the maximum rises (Milakov and Gimelshein,
 * "Online normalizer calculation for softmax").
 */
record AttentionForward(AttentionCall call, Heads out, long lse) {
  /** Keys of a strip: it and the keys and values of a stretch fit the second-level cache. */
  static final int SPAN = 1024;

  /**
   * Keys whose scores are taken from the products to the softmax, and back, while they are near.
   */
  private static final int CHUNK = 192;

  /** Blocks of a task beyond {@link #SPAN} keys, where each has sums to keep. */
  static final int MOST_BLOCKS = 24;

  /** Blocks [first, last) of those of all query heads that read key-value head {@code group}. */
  void run(int b, int group, int first, int last) {
    int n = 0;
    for (int i = first; i < last; i++) n = Math.max(n, call.visible(b, call.end(i) - 1));
    int padded = call.paddedDepth();
    long rows = 4L * padded * roundUp(Math.min(n, SPAN), TALL);
    long block = 4L * padded * QUERIES;
    long state = block + 2 * ROW;
    long strip = ROW * roundUp(Math.min(n, SPAN), TALL);
    int states = n > SPAN ? last - first : 1;
    long zeros =
        Workspace.get(
            Workspace.TASK,
            WIDEST * BYTES + 64 + 3 * ROW + 2 * block + 2 * rows + strip + states * state);
    long scales = zeros + WIDEST * BYTES;
    long vectors = scales + 64;
    long queries = vectors + 3 * ROW;
    long packed = queries + block;
    long keys = packed + block;
    long values = keys + rows;
    long scores = values + rows;
    long sums = scores + strip;
    Moves.fill(zeros, WIDEST * LENGTH, 0);
    Host.setFloat(scales, 1);
    Host.setFloat(scales + 4, (float) (call.scale() * AttentionLoops.LOG2E));
    int s = 0;
    do {
      int count = Math.min(SPAN, n - s);
      Heads k = call.k();
      Heads v = call.v();
      int depth = call.depth();
      AttentionLoops.padRows(k.at(b, s, group), k.token(), count, depth, scales, keys, padded);
      AttentionLoops.padRows(v.at(b, s, group), v.token(), count, depth, scales, values, padded);
      for (int i = first; i < last; i++) {
        int h = call.head(group, i);
        int t = call.start(i);
        int m = call.end(i) - t;
        int seen = Math.min(call.visible(b, t + m - 1) - s, count);
        long at = sums + (states == 1 ? 0 : (i - first) * state);
        if (s == 0) {
          Moves.fill(at, QUERIES, Float.NEGATIVE_INFINITY);
          Moves.fill(at + ROW, QUERIES, 0);
        }
        if (seen > 0 || s == 0) {
          Heads q = call.q();
          AttentionLoops.padRows(q.at(b, t, h), q.token(), m, depth, scales + 4, queries, padded);
          AttentionBlock.packColumns(queries, 4L * padded, m, depth, packed);
          stretch(b, t, m, s, seen, packed, keys, values, zeros, vectors, scores, at);
        }
        if (s + count >= n) finish(b, h, t, m, at);
      }
      s += count;
    } while (s < n);
  }

  /** Adds the keys [s, s + end) to the sums of a block: maxima, sums of powers, mixed values. */
  private void stretch(
      int b,
      int t,
      int m,
      int s,
      int end,
      long packed,
      long keys,
      long values,
      long zeros,
      long vectors,
      long scores,
      long sums) {
    int columns = AttentionBlock.vectors(m);
    int padded = call.paddedDepth();
    long row = 4L * padded;
    long before = vectors;
    long shift = before + ROW;
    long unused = shift + ROW;
    Moves.copy(sums, before, ROW);
    for (int c = 0; c < end; c += CHUNK) {
      int count = Math.min(CHUNK, end - c);
      long strip = scores + c * ROW;
      AttentionBlock.scores(call, b, t, m, s + c, count, keys + c * row, packed, zeros, strip);
      for (int w = 0; w < columns; w++) {
        int seen = Math.min(call.seen(b, t, m, w) - s - c, count);
        AttentionBlock.hide(call, t, w, s + c, seen, strip);
        AttentionLoops.max(strip + w * BYTES, seen, sums + w * BYTES);
      }
    }
    for (int i = 0; i < columns * LENGTH; i++) {
      float max = Host.getFloat(sums + 4L * i);
      Host.setFloat(shift + 4L * i, max == Float.NEGATIVE_INFINITY ? 0 : max);
    }
    long result = sums + 2 * ROW;
    if (s > 0) {
      for (int w = 0; w < columns; w++) {
        AttentionLoops.expSum(before + w * BYTES, 1, shift + w * BYTES, unused);
      }
      for (int i = 0; i < m; i++) {
        long at = sums + ROW + 4L * i;
        Host.setFloat(at, Host.getFloat(at) * Host.getFloat(before + 4L * i));
      }
      AttentionLoops.scaleRows(result, row, result, row, m, padded, before, 4);
    }
    for (int c = 0; c == 0 || c < end; c += CHUNK) {
      int count = Math.min(CHUNK, end - c);
      long strip = scores + c * ROW;
      for (int w = 0; w < columns; w++) {
        int seen = Math.min(call.seen(b, t, m, w) - s - c, count);
        AttentionLoops.expSum(strip + w * BYTES, seen, shift + w * BYTES, sums + ROW + w * BYTES);
      }
      boolean fresh = s + c == 0;
      for (int r = 0; r < m; r += TALL) {
        int tall = Math.min(TALL, m - r);
        int seen = Math.min(call.visible(b, t + r + tall - 1) - s - c, count);
        if (seen <= 0 && !fresh) continue;
        // The keys that all rows see, and then what the causal mask leaves of the rest.
        int all = Math.clamp(call.visible(b, t + r) - s - c, 0, count);
        AttentionBlock.multiply(
            tall,
            padded / LENGTH,
            strip + 4L * r,
            4,
            ROW,
            values + c * row,
            row,
            all,
            fresh ? zeros : result + r * row,
            fresh ? 0 : row,
            result + r * row,
            row);
        long weights = strip + 4L * r;
        long from = values + c * row;
        AttentionBlock.addKeys(
            call, b, t + r, tall, s + c, all, seen, weights, from, result + r * row);
      }
    }
  }

  /** The mixed values over the sums of powers, and the logarithms of these. */
  private void finish(int b, int h, int t, int m, long sums) {
    long row = 4L * call.paddedDepth();
    long total = sums + ROW;
    for (int i = 0; i < m; i++) {
      float sum = Host.getFloat(total + 4L * i);
      double max = Host.getFloat(sums + 4L * i);
      Host.setFloat(total + 4L * i, sum == 0 ? 0 : 1 / sum);
      long at = lse + 4L * (((long) b * call.heads() + h) * call.queries() + t + i);
      Host.setFloat(at, (float) (max * AttentionLoops.LN2 + AttentionLoops.log(sum)));
    }
    AttentionLoops.scaleRows(
        sums + 2 * ROW, row, out.at(b, t, h), out.token(), m, call.depth(), total, 4);
  }
}
