package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.AttentionBlock.QUERIES;
import static dev.theriac.backend.vector.AttentionCall.roundUp;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.vector.AttentionCall.Heads;
import dev.theriac.tensor.Host;

/**
 * The backward pass: probabilities are computed again from the scores and the saved log-sum of each
 * row. With P the probabilities and G the gradient of the output, dV = P^T G, dS = P (G V^T -
 * rowsum (G out)), dQ = scale dS K and dK = scale dS^T Q, summed over blocks of queries in order.
 */
record AttentionBackward(
    AttentionCall call, Heads out, long lse, Heads grad, Heads dq, Heads dk, Heads dv) {

  /** Key-value head {@code group} of sequence b and the query heads that read it. */
  void head(int b, int group) {
    int n = call.queries() == 0 ? 0 : call.visible(b, call.queries() - 1);
    int depth = call.depth();
    int padded = call.paddedDepth();
    // Tiles of the transposed product may take five rows more than there are keys.
    int tallKeys = roundUp(n, AttentionTiles.ROWS);
    long scoreRow = AttentionBlock.scoreRow(n + AttentionTiles.ROWS);
    long columns = AttentionBlock.columnBytes(n, depth);
    long rows = 4L * padded * tallKeys;
    long block = 4L * padded * QUERIES;
    long strip = QUERIES * scoreRow;
    long zeros =
        Workspace.get(
            Workspace.TASK, 2 * BYTES + 128 + 2 * columns + 3 * rows + 3 * block + 2 * strip);
    long scratch = zeros + 2 * BYTES;
    long scales = scratch + 64;
    long packedK = scales + 64;
    long packedV = packedK + columns;
    long keys = packedV + columns;
    long sumK = keys + rows;
    long sumV = sumK + rows;
    long queries = sumV + rows;
    long grads = queries + block;
    long result = grads + block;
    long p = result + block;
    long ds = p + strip;
    Moves.fill(zeros, 2 * LENGTH, 0);
    Host.setFloat(scales, 1);
    Host.setFloat(scales + 4, call.scale());
    Moves.fill(sumK, 2 * padded * tallKeys, 0);
    if (n > 0) {
      long k = call.k().at(b, 0, group);
      long v = call.v().at(b, 0, group);
      AttentionBlock.packColumns(k, call.k().token(), n, depth, packedK);
      AttentionBlock.packColumns(v, call.v().token(), n, depth, packedV);
      AttentionLoops.padRows(k, call.k().token(), n, depth, scales, keys, padded);
    }
    int ratio = call.heads() / call.groups();
    for (int h = group * ratio; h < group * ratio + ratio; h++) {
      for (int t = 0; t < call.queries(); t += QUERIES) {
        int m = Math.min(QUERIES, call.queries() - t);
        int tall = roundUp(m, AttentionTiles.ROWS);
        int end = call.visible(b, t + m - 1);
        load(call.q(), b, t, h, m, tall, scales + 4, queries);
        load(grad, b, t, h, m, tall, scales, grads);
        AttentionBlock.scores(
            queries, 4L * padded, tall, packedK, n, end, depth, zeros, p, scoreRow);
        AttentionBlock.scores(
            grads, 4L * padded, tall, packedV, n, end, depth, zeros, ds, scoreRow);
        long outs = out.at(b, t, h);
        long outRow = out.token();
        if (depth != padded) {
          load(out, b, t, h, m, m, scales, result);
          outs = result;
          outRow = 4L * padded;
        }
        for (int i = 0; i < m; i++) {
          float delta = SumLoops.dot(grads + 4L * i * padded, outs + i * outRow, padded, scratch);
          long at = lse + 4L * (((long) b * call.heads() + h) * call.queries() + t + i);
          long o = i * scoreRow;
          row(p + o, ds + o, call.visible(b, t + i), end, Host.getFloat(at), delta);
        }
        int tallEnd = roundUp(end, AttentionTiles.ROWS);
        AttentionBlock.product(p, 4, scoreRow, tallEnd, grads, m, padded, sumV, 4L * padded, sumV);
        AttentionBlock.product(
            ds, 4, scoreRow, tallEnd, queries, m, padded, sumK, 4L * padded, sumK);
        AttentionBlock.product(ds, scoreRow, 4, tall, keys, end, padded, zeros, 0, result);
        AttentionLoops.scaleRows(
            result, 4L * padded, dq.at(b, t, h), dq.token(), m, depth, scales + 4, 0);
      }
    }
    AttentionLoops.scaleRows(
        sumK, 4L * padded, dk.at(b, 0, group), dk.token(), n, depth, scales, 0);
    AttentionLoops.scaleRows(
        sumV, 4L * padded, dv.at(b, 0, group), dv.token(), n, depth, scales, 0);
    for (int s = n; s < call.keys(); s++) {
      AttentionBlock.set(dk.at(b, s, group), 0, depth, 0);
      AttentionBlock.set(dv.at(b, s, group), 0, depth, 0);
    }
  }

  /** Rows of one head, zero-padded to whole vectors and whole tiles. */
  private void load(Heads x, int b, int t, int h, int m, int tall, long scale, long to) {
    int padded = call.paddedDepth();
    AttentionLoops.padRows(x.at(b, t, h), x.token(), m, call.depth(), scale, to, padded);
    Moves.fill(to + 4L * m * padded, (tall - m) * padded, 0);
  }

  /** Scores become probabilities at p, gradients of probabilities those of scores at d. */
  private static void row(long p, long d, int seen, int end, float lse, float delta) {
    int whole = lse == Float.NEGATIVE_INFINITY ? 0 : roundUp(seen, LENGTH);
    int written = roundUp(roundUp(end, AttentionTiles.ROWS), LENGTH);
    if (whole > 0) {
      AttentionLoops.hide(p, seen);
      SoftmaxLoops.expScaled(p, p, whole, lse, 1);
      AttentionLoops.scoreGradient(p, d, whole, delta);
    }
    Moves.fill(p + 4L * whole, written - whole, 0);
    Moves.fill(d + 4L * whole, written - whole, 0);
  }
}
