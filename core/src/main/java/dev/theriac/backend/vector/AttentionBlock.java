package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.tensor.Host;

/** Steps that the forward and the backward pass share. */
final class AttentionBlock {
  /** Queries of a block: four tiles. */
  static final int QUERIES = 4 * AttentionTiles.ROWS;

  private AttentionBlock() {}

  /** Bytes from one row of scores to the next; a line more keeps rows in different cache sets. */
  static long scoreRow(int keys) {
    return 4L * AttentionCall.roundUp(keys, 2 * LENGTH) + 64;
  }

  /** Bytes of {@code keys} rows packed as columns. */
  static long columnBytes(int keys, int depth) {
    return 4L * AttentionCall.roundUp(keys, LENGTH) * depth;
  }

  /** Packs n rows as the columns of panels of two vectors (the last may be one), zero-padded. */
  static void packColumns(long from, long row, int n, int depth, long to) {
    for (int j = 0; j < n; j += 2 * LENGTH) {
      int vectors = n - j > LENGTH ? 2 : 1;
      int columns = Math.min(vectors * LENGTH, n - j);
      GemmPack.b(
          GemmPack.Element.F32,
          from + j * row,
          0,
          4,
          row,
          depth,
          columns,
          vectors,
          to + 4L * j * depth,
          null);
    }
  }

  /** scores[i][s] = a[i] . column s for the first {@code end} of {@code n} packed columns. */
  static void scores(
      long a,
      long aRow,
      int rows,
      long packed,
      int n,
      int end,
      int depth,
      long zeros,
      long to,
      long toRow) {
    for (int j = 0; j < end; j += 2 * LENGTH) {
      int vectors = n - j > LENGTH ? 2 : 1;
      long panel = packed + 4L * j * depth;
      long step = vectors * BYTES;
      AttentionTiles.multiply(
          rows, vectors, a, aRow, 4, panel, step, depth, zeros, 0, to + 4L * j, toRow);
    }
  }

  /** c = init + a b with b and c of {@code padded} columns, row after row. */
  static void product(
      long a,
      long aRow,
      long aStep,
      int rows,
      long b,
      int depth,
      int padded,
      long init,
      long initRow,
      long c) {
    for (int j = 0; j < padded; j += 2 * LENGTH) {
      int vectors = Math.min(2, (padded - j) / LENGTH);
      AttentionTiles.multiply(
          rows,
          vectors,
          a,
          aRow,
          aStep,
          b + 4L * j,
          4L * padded,
          depth,
          initRow == 0 ? init : init + 4L * j,
          initRow,
          c + 4L * j,
          4L * padded);
    }
  }

  /** Sets floats [from, to) of a row. */
  static void set(long row, int from, int to, float value) {
    for (int i = from; i < to; i++) Host.setFloat(row + 4L * i, value);
  }
}
