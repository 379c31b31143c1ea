package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.AttentionCall.roundUp;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.tensor.Host;

/**
 * What the forward and the backward pass share: blocks of queries, strips of scores and products.
 *
 * <p>A block is up to {@link #QUERIES} queries of one head. Its scores stand in a strip with a row
 * for each key and a lane for each query, so that maxima, exponentials and sums of a softmax run
 * down the lanes, and a strip read by columns is the left operand of the product with the values.
 */
final class AttentionBlock {
  /** Vectors in a row of a strip. */
  static final int VECTORS = AttentionWarmUp.WIDEST > 3 ? 4 : 3;

  /** Queries of a block. */
  static final int QUERIES = VECTORS * LENGTH;

  /** Bytes of a row of a strip. */
  static final long ROW = VECTORS * BYTES;

  /** Rows of a tile; not more than a vector, so that its queries share a column of the strip. */
  static final int TALL = AttentionWarmUp.TALL;

  private AttentionBlock() {}

  /** Vectors in which the queries of a block lie. */
  static int vectors(int queries) {
    return (queries + LENGTH - 1) / LENGTH;
  }

  /**
   * c = init + a b for {@code rows} rows, of which whole tiles are written, by {@code vectors}
   * vectors. Strides in bytes; an initRow of 0 repeats the first vectors of init for all tiles.
   */
  static void multiply(
      int rows,
      int vectors,
      long a,
      long aRow,
      long aStep,
      long b,
      long bStep,
      int depth,
      long init,
      long initRow,
      long c,
      long cRow) {
    int pieces = (vectors + AttentionWarmUp.WIDEST - 1) / AttentionWarmUp.WIDEST;
    for (int j = 0; pieces > 0; pieces--) {
      int wide = (vectors - j + pieces - 1) / pieces;
      long o = j * BYTES;
      long start = initRow == 0 ? init : init + o;
      for (int r = 0; r < rows; r += TALL) {
        AttentionWarmUp.tile(
            wide,
            a + r * aRow,
            aRow,
            aStep,
            b + o,
            bStep,
            depth,
            start + r * initRow,
            initRow,
            c + o + r * cRow,
            cRow);
      }
      j += wide;
    }
  }

  /**
   * Scores of the keys [s, s + count) of a chunk: to[k][q] = key k . query q, for the columns that
   * see the key.
   *
   * @param keys rows of whole vectors, whole tiles of them
   * @param packed queries as columns
   */
  static void scores(
      AttentionCall call,
      int b,
      int t,
      int m,
      int s,
      int count,
      long keys,
      long packed,
      long zeros,
      long to) {
    int vectors = vectors(m);
    long keyRow = 4L * call.paddedDepth();
    int done = 0;
    for (int w = 0; w < vectors; w++) {
      int seen = Math.min(call.seen(b, t, m, w) - s, count);
      int rows = seen <= done ? 0 : roundUp(seen, TALL) - done;
      if (rows <= 0) continue;
      multiply(
          rows,
          vectors - w,
          keys + done * keyRow,
          keyRow,
          4,
          packed + w * BYTES,
          vectors * BYTES,
          call.depth(),
          zeros,
          0,
          to + done * ROW + w * BYTES,
          ROW);
      done += rows;
    }
  }

  /** Hides the scores of column w of a chunk that the causal mask hides from some of its lanes. */
  static void hide(AttentionCall call, int t, int w, int s, int seen, long strip) {
    if (!call.causal()) return;
    // The last key that lane 0 sees; key first + j is hidden from the lanes below j.
    int first = call.keys() - call.queries() + t + w * LENGTH;
    for (int k = Math.max(0, first + 1 - s); k < seen; k++) {
      AttentionLoops.hideBelow(strip + k * ROW + w * BYTES, s + k - first);
    }
  }

  /**
   * Clears in two strips what {@link #hide} hides in one, whatever the lanes have come to since: 0
   * times infinity or NaN.
   */
  static void clearHidden(AttentionCall call, int t, int w, int s, int seen, long p, long ds) {
    if (!call.causal()) return;
    int first = call.keys() - call.queries() + t + w * LENGTH;
    for (int k = Math.max(0, first + 1 - s); k < seen; k++) {
      long o = k * ROW + w * BYTES;
      AttentionLoops.clearBelow(p + o, ds + o, s + k - first);
    }
  }

  /**
   * Adds to the sums of a tile of queries [t, t + tall) what the keys [all, seen) of a chunk at s
   * give, of which each query sees some and none beyond them.
   *
   * @param weights those of the first query, for the chunk's first key: a column of a strip
   * @param rows rows of the chunk's keys or values
   */
  static void addKeys(
      AttentionCall call,
      int b,
      int t,
      int tall,
      int s,
      int all,
      int seen,
      long weights,
      long rows,
      long sums) {
    if (all >= seen) return;
    int padded = call.paddedDepth();
    long row = 4L * padded;
    if (tall == TALL && seen - all == TALL - 1) {
      AttentionTriangles.later(
          weights + all * ROW, 4, ROW, rows + all * row, sums, row, padded / LENGTH);
      return;
    }
    for (int i = 1; i < tall; i++) {
      int own = Math.min(call.visible(b, t + i) - s, seen);
      addRows(weights + 4L * i, ROW, rows, all, own, padded, sums + i * row);
    }
  }

  /**
   * Adds to the sums of a tile of keys [s, s + keys) what those queries of the block at t give that
   * stand before query {@code blind}, from which on all keys are seen.
   *
   * @param weights those of the first key, for the block's first query: a row of a strip
   * @param rows rows of the block's queries or gradients
   */
  static void addQueries(
      AttentionCall call, int t, int s, int keys, int blind, long weights, long rows, long sums) {
    int padded = call.paddedDepth();
    long row = 4L * padded;
    int first = call.blind(t, s);
    if (keys == TALL && blind - first == TALL - 1) {
      AttentionTriangles.earlier(
          weights + 4L * first, ROW, 4, rows + first * row, sums, row, padded / LENGTH);
      return;
    }
    for (int i = 0; i < keys && first < blind; i++) {
      int own = call.blind(t, s + i);
      addRows(weights + i * ROW, 4, rows, own, blind, padded, sums + i * row);
    }
  }

  /** sum += the sum of weights[k] rows[k] over the k in [from, to), in order. */
  private static void addRows(
      long weights, long step, long rows, int from, int to, int padded, long sum) {
    for (int k = from; k < to && padded > 0; k++) {
      AttentionRows.mix(weights + k * step, 0, rows + 4L * k * padded, 0, 1, 1, padded, sum);
    }
  }

  /** Packs m rows of queries, padded to whole vectors, as columns. */
  static void packColumns(long from, long row, int m, int depth, long to) {
    GemmPack.b(GemmPack.Element.F32, from, 0, 4, row, depth, m, vectors(m), to, null);
  }

  /** Sets floats [from, to) of a row. */
  static void set(long row, int from, int to, float value) {
    for (int i = from; i < to; i++) Host.setFloat(row + 4L * i, value);
  }
}
