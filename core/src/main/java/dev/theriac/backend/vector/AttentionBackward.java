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
 * The backward pass: probabilities are computed again from the scores and the saved log-sum of each
 * row, a block of queries and a chunk of keys at a time. With P the probabilities and G the
 * gradient of the output, dV = P^T G, dS = P (G V^T - rowsum (G out)), dQ = scale dS K and dK =
 * scale dS^T Q, summed over blocks of queries in order. Strips hold P and dS transposed, so that dV
 * and dK read them as they lie and dQ reads columns.
 */
record AttentionBackward(
    AttentionCall call, Heads out, long lse, Heads grad, Heads dq, Heads dk, Heads dv) {
  /** Keys of a chunk. */
  private static final int CHUNK = 64;

  /** Rows of the sums of a part: whole tiles. */
  int sumRows() {
    return roundUp(call.keys(), TALL);
  }

  /**
   * Blocks [first, last) of those of all query heads that read key-value head {@code group}: their
   * gradients of queries, and what they add to those of keys and values, [sumRows(), padded depth]
   * each at {@code sums}. With 0 for it the blocks are all there are, and the sums are the result.
   */
  void run(int b, int group, int first, int last, long sums) {
    int n = 0;
    for (int i = first; i < last; i++) n = Math.max(n, call.visible(b, call.end(i) - 1));
    long row = 4L * call.paddedDepth();
    long rows = row * roundUp(n, TALL);
    long block = row * QUERIES;
    long strip = ROW * roundUp(Math.min(n, CHUNK), TALL);
    long sumBytes = row * sumRows();
    long bytes = (WIDEST + 1) * BYTES + 64 + 2 * ROW + 6 * block + 2 * rows + 2 * strip;
    if (sums == 0) bytes += 2 * sumBytes;
    long zeros = Workspace.take(Workspace.TASK, bytes, "attention gradient");
    try {
      run(b, group, first, last, sums, n, zeros);
    } finally {
      Workspace.release(Workspace.TASK);
    }
  }

  private void run(int b, int group, int first, int last, long sums, int n, long zeros) {
    int depth = call.depth();
    int padded = call.paddedDepth();
    long row = 4L * padded;
    long rows = row * roundUp(n, TALL);
    long block = row * QUERIES;
    long strip = ROW * roundUp(Math.min(n, CHUNK), TALL);
    long sumBytes = row * sumRows();
    long scratch = zeros + WIDEST * BYTES;
    long scales = scratch + BYTES;
    long logs = scales + 64;
    long means = logs + ROW;
    long queries = means + ROW;
    long packedQ = queries + block;
    long grads = packedQ + block;
    long packedG = grads + block;
    long result = packedG + block;
    long outs = result + block;
    long keys = outs + block;
    long values = keys + rows;
    long p = values + rows;
    long ds = p + strip;
    long sumK = sums == 0 ? ds + strip : sums;
    long sumV = sumK + sumBytes;
    Moves.fill(zeros, WIDEST * LENGTH, 0);
    Host.setFloat(scales, 1);
    Host.setFloat(scales + 4, (float) (call.scale() * AttentionLoops.LOG2E));
    Host.setFloat(scales + 8, call.scale());
    AttentionLoops.clear(sumK, (long) padded * sumRows());
    AttentionLoops.clear(sumV, (long) padded * sumRows());
    Heads k = call.k();
    Heads v = call.v();
    AttentionLoops.padRows(k.at(b, 0, group), k.token(), n, depth, scales, keys, padded);
    AttentionLoops.padRows(v.at(b, 0, group), v.token(), n, depth, scales, values, padded);
    for (int i = first; i < last; i++) {
      int h = call.head(group, i);
      int t = call.start(i);
      int m = call.end(i) - t;
      int end = call.visible(b, t + m - 1);
      load(call.q(), b, t, h, m, scales + 4, queries);
      load(grad, b, t, h, m, scales, grads);
      AttentionBlock.packColumns(queries, row, m, depth, packedQ);
      AttentionBlock.packColumns(grads, row, m, depth, packedG);
      rowValues(b, t, h, m, grads, outs, scales, logs, means, scratch);
      Moves.fill(result, padded * QUERIES, 0);
      for (int c = 0; c < end; c += CHUNK) {
        int count = Math.min(CHUNK, end - c);
        long o = c * row;
        AttentionBlock.scores(call, b, t, m, c, count, keys + o, packedQ, zeros, p);
        AttentionBlock.scores(call, b, t, m, c, count, values + o, packedG, zeros, ds);
        gradients(b, t, m, c, count, p, ds, logs, means);
        products(
            b, t, m, c, count, p, ds, keys + o, queries, grads, result, sumK + o, sumV + o, outs);
      }
      AttentionLoops.scaleRows(result, row, dq.at(b, t, h), dq.token(), m, depth, scales + 8, 0);
    }
    if (sums == 0) store(b, group, sumK, 1, 0);
  }

  /** Rows of one head, zero-padded to whole vectors. */
  private void load(Heads x, int b, int t, int h, int m, long scale, long to) {
    int padded = call.paddedDepth();
    AttentionLoops.padRows(x.at(b, t, h), x.token(), m, call.depth(), scale, to, padded);
  }

  /** The log-sums of a block, to base 2, and the means of its gradients. */
  private void rowValues(
      int b,
      int t,
      int h,
      int m,
      long grads,
      long outs,
      long scales,
      long logs,
      long means,
      long scratch) {
    int padded = call.paddedDepth();
    long from = out.at(b, t, h);
    long row = out.token();
    if (call.depth() != padded) {
      load(out, b, t, h, m, scales, outs);
      from = outs;
      row = 4L * padded;
    }
    Moves.fill(logs, QUERIES, 0);
    Moves.fill(means, QUERIES, 0);
    for (int i = 0; i < m; i++) {
      float mean = SumLoops.dot(grads + 4L * i * padded, from + i * row, padded, scratch);
      Host.setFloat(means + 4L * i, mean);
      float log =
          Host.getFloat(lse + 4L * (((long) b * call.heads() + h) * call.queries() + t + i));
      // A row that sees nothing has no probabilities: 2^(score - infinity).
      boolean nothing = log == Float.NEGATIVE_INFINITY;
      Host.setFloat(
          logs + 4L * i, nothing ? Float.POSITIVE_INFINITY : (float) (log * AttentionLoops.LOG2E));
    }
  }

  /** Scores at p become probabilities, gradients of probabilities at ds those of scores. */
  private void gradients(
      int b, int t, int m, int c, int count, long p, long ds, long logs, long means) {
    int columns = AttentionBlock.vectors(m);
    int whole = roundUp(count, TALL);
    for (int w = 0; w < columns; w++) {
      long o = w * BYTES;
      int seen = Math.clamp(call.seen(b, t, m, w) - c, 0, count);
      AttentionBlock.hide(call, t, w, c, seen, p);
      AttentionLoops.gradient(p + o, ds + o, seen, logs + o, means + o);
      int more = Math.min(TALL, whole - seen);
      AttentionBlock.clearHidden(call, t, w, c, seen, p, ds);
      // Tiles of keys whose first key a lane sees take the next ones too.
      AttentionLoops.fill(p + o + seen * ROW, more, 0);
      AttentionLoops.fill(ds + o + seen * ROW, more, 0);
    }
  }

  private void products(
      int b,
      int t,
      int m,
      int c,
      int count,
      long p,
      long ds,
      long keys,
      long queries,
      long grads,
      long result,
      long sumK,
      long sumV,
      long spare) {
    int vectors = call.paddedDepth() / LENGTH;
    long row = 4L * call.paddedDepth();
    for (int s = 0; s < count; s += TALL) {
      int keysLeft = Math.min(TALL, count - s);
      mixQueries(t, m, c, s, keysLeft, p, grads, sumV + s * row, spare);
      mixQueries(t, m, c, s, keysLeft, ds, queries, sumK + s * row, spare);
    }
    for (int r = 0; r < m; r += TALL) {
      int tall = Math.min(TALL, m - r);
      int seen = Math.min(call.visible(b, t + r + tall - 1) - c, count);
      if (seen <= 0) continue;
      // The keys that all rows see, and then what the causal mask leaves of the rest.
      int all = Math.clamp(call.visible(b, t + r) - c, 0, count);
      long to = result + r * row;
      AttentionBlock.multiply(tall, vectors, ds + 4L * r, 4, ROW, keys, row, all, to, row, to, row);
      AttentionBlock.addKeys(call, b, t + r, tall, c, all, seen, ds + 4L * r, keys, to);
    }
  }

  /** Adds to a tile of key rows what the queries that see them give, the first of them first. */
  private void mixQueries(
      int t, int m, int c, int s, int keys, long strip, long rows, long sum, long spare) {
    int vectors = call.paddedDepth() / LENGTH;
    long row = 4L * call.paddedDepth();
    long weights = strip + s * ROW;
    // Queries before the first that sees all keys of the tile.
    int blind = call.causal() ? Math.min(m, call.blind(t, c + s + keys - 1)) : 0;
    if (blind > 0) AttentionBlock.addQueries(call, t, c + s, keys, blind, weights, rows, sum);
    // A tile that reaches beyond the keys there are leaves the rows there as they were.
    long beyond = sum + keys * row;
    long bytes = (TALL - keys) * row;
    if (bytes > 0) Moves.copy(beyond, spare, bytes);
    AttentionBlock.multiply(
        TALL,
        vectors,
        weights + 4L * blind,
        ROW,
        4,
        rows + blind * row,
        row,
        m - blind,
        sum,
        row,
        sum,
        row);
    if (bytes > 0) Moves.copy(spare, beyond, bytes);
  }

  /**
   * Writes dK and dV of one head from the sums of {@code parts} parts, {@code step} bytes apart.
   */
  void store(int b, int group, long sumK, int parts, long step) {
    int padded = call.paddedDepth();
    int rows = call.keys();
    long sumV = sumK + 4L * padded * sumRows();
    for (int i = 1; i < parts; i++) {
      AttentionLoops.addTo(sumK + i * step, sumK, 2L * sumRows() * padded);
    }
    long scales = Tails.vectors(1);
    Host.setFloat(scales, (float) AttentionLoops.LN2);
    Host.setFloat(scales + 4, 1);
    AttentionLoops.scaleRows(
        sumK, 4L * padded, dk.at(b, 0, group), dk.token(), rows, call.depth(), scales, 0);
    AttentionLoops.scaleRows(
        sumV, 4L * padded, dv.at(b, 0, group), dv.token(), rows, call.depth(), scales + 4, 0);
  }
}
