package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.AttentionBlock.QUERIES;
import static dev.theriac.backend.vector.AttentionCall.roundUp;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.tensor.Host;

/** The forward pass of some queries of one head. */
final class AttentionForward {
  private AttentionForward() {}

  /** Queries [first, last) of head h of sequence b. */
  static void head(
      AttentionCall call, AttentionCall.Heads out, long lse, int b, int h, int first, int last) {
    int n = call.visible(b, last - 1);
    int depth = call.depth();
    int padded = call.paddedDepth();
    int group = h / (call.heads() / call.groups());
    long scoreRow = AttentionBlock.scoreRow(n);
    long columns = AttentionBlock.columnBytes(n, depth);
    long rows = 4L * padded * n;
    long block = 4L * padded * QUERIES;
    long work =
        Workspace.get(
            Workspace.TASK, columns + rows + 2 * block + QUERIES * scoreRow + 2 * BYTES + 8 * 64);
    long zeros = work;
    long scratch = zeros + 2 * BYTES;
    long sums = scratch + 64;
    long maxima = sums + 128;
    long logs = maxima + 128;
    long scales = logs + 128;
    long packed = scales + 64;
    long values = packed + columns;
    long queries = values + rows;
    long result = queries + block;
    long scores = result + block;
    Moves.fill(zeros, 2 * LENGTH, 0);
    Host.setFloat(scales, 1);
    Host.setFloat(scales + 4, call.scale());
    if (n > 0) {
      AttentionBlock.packColumns(call.k().at(b, 0, group), call.k().token(), n, depth, packed);
      AttentionLoops.padRows(
          call.v().at(b, 0, group), call.v().token(), n, depth, scales, values, padded);
    }
    for (int t = first; t < last; t += QUERIES) {
      int m = Math.min(QUERIES, last - t);
      int tall = roundUp(m, AttentionTiles.ROWS);
      int end = call.visible(b, t + m - 1);
      AttentionLoops.padRows(
          call.q().at(b, t, h), call.q().token(), m, depth, scales + 4, queries, padded);
      Moves.fill(queries + 4L * m * padded, (tall - m) * padded, 0);
      AttentionBlock.scores(
          queries, 4L * padded, tall, packed, n, end, depth, zeros, scores, scoreRow);
      Moves.fill(sums, roundUp(QUERIES, LENGTH), 1);
      for (int i = 0; i < m; i++) {
        int seen = call.visible(b, t + i);
        softmax(scores + i * scoreRow, seen, end, sums + 4L * i, maxima + 4L * i, scratch);
      }
      for (int r = 0; r < tall; r += AttentionTiles.ROWS) {
        int seen = call.visible(b, t + Math.min(r + AttentionTiles.ROWS, m) - 1);
        AttentionBlock.product(
            scores + r * scoreRow,
            scoreRow,
            4,
            AttentionTiles.ROWS,
            values,
            seen,
            padded,
            zeros,
            0,
            result + 4L * r * padded);
      }
      UnaryLoops.log(sums, logs, roundUp(QUERIES, LENGTH));
      for (int i = 0; i < m; i++) {
        float sum = Host.getFloat(sums + 4L * i);
        Host.setFloat(sums + 4L * i, sum == 0 ? 0 : 1 / sum);
        long at = lse + 4L * (((long) b * call.heads() + h) * call.queries() + t + i);
        Host.setFloat(at, Host.getFloat(maxima + 4L * i) + Host.getFloat(logs + 4L * i));
      }
      AttentionLoops.scaleRows(
          result, 4L * padded, out.at(b, t, h), out.token(), m, depth, sums, 4);
    }
  }

  /** The first {@code seen} scores of a row become e^(s - max), the rest up to {@code end} zero. */
  private static void softmax(long row, int seen, int end, long sum, long max, long scratch) {
    int whole = roundUp(seen, LENGTH);
    AttentionLoops.hide(row, seen);
    float top = SoftmaxLoops.max(row, whole);
    float total;
    if (top != Float.NEGATIVE_INFINITY) {
      total = SoftmaxLoops.expSum(row, row, whole, top, scratch);
    } else {
      // Nothing to see, or nothing but -infinity: zeros. Not so where a score is not a number.
      total = VectorSoftmax.hasNan(row, seen) ? Float.NaN : 0;
      Moves.fill(row, whole, total);
    }
    Moves.fill(row + 4L * whole, roundUp(end, LENGTH) - whole, 0);
    Host.setFloat(sum, total);
    Host.setFloat(max, top);
  }
}
