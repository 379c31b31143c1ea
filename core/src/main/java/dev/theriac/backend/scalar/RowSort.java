package dev.theriac.backend.scalar;

import dev.theriac.backend.SelectionKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/**
 * Stable counting sort of tokens' choices by group. Chunks of tokens are counted side by side; each
 * then fills its own places, which follow from the counts of the chunks before it: the result does
 * not depend on who ran what.
 */
final class RowSort {
  /** Choices in a chunk, about. */
  private static final long CHUNK = 16_384;

  private final long ids;
  private final long tokens;
  private final long topK;
  private final int groups;
  private final long chunkTokens;
  private final int chunks;

  /** First row of each chunk's choices of each group; before that, their number. */
  private final long[][] next;

  /** Rows before each chunk. */
  private final long[] kept;

  RowSort(Strided ids, int groups) {
    this.ids = ids.address();
    this.groups = groups;
    tokens = ids.size(0);
    topK = ids.size(1);
    chunkTokens = Math.max(1, CHUNK / Math.max(1, topK));
    chunks = Math.toIntExact((tokens + chunkTokens - 1) / chunkTokens);
    next = new long[chunks][];
    kept = new long[chunks + 1];
  }

  /** The number of rows; see {@link SelectionKernels#sortRows}. */
  long run(
      Strided offsets, Strided rowToken, Strided rowSlot, Strided tokenStart, Strided tokenRow) {
    Workers.parallelFor(chunks, this::count);
    long bounds = offsets.address();
    long row = 0;
    for (int e = 0; e < groups; e++) {
      Host.setLong(bounds + 8L * e, row);
      for (long[] chunk : next) {
        long own = chunk[e];
        chunk[e] = row;
        row += own;
      }
    }
    Host.setLong(bounds + 8L * groups, row);
    for (int c = 0; c < chunks; c++) kept[c + 1] += kept[c];
    long token = rowToken.address();
    long slot = rowSlot.address();
    long start = tokenStart.address();
    long rows = tokenRow.address();
    Host.setLong(start, 0);
    Workers.parallelFor(chunks, chunk -> fill(chunk, token, slot, start, rows));
    return row;
  }

  private long end(int chunk) {
    return Math.min(tokens, (chunk + 1) * chunkTokens);
  }

  private void count(int chunk) {
    long[] counts = new long[groups];
    long[] seen = new long[groups]; // the last token that chose a group, plus one
    for (long t = chunk * chunkTokens; t < end(chunk); t++) {
      for (long j = 0; j < topK; j++) {
        long id = Host.getLong(ids + 8 * (t * topK + j));
        if (id == -1) continue;
        if (id < 0 || id >= groups) throw SelectionKernels.outside(id, t, j, groups);
        if (seen[(int) id] == t + 1) throw SelectionKernels.twice(id, t, j);
        seen[(int) id] = t + 1;
        counts[(int) id]++;
        kept[chunk + 1]++;
      }
    }
    next[chunk] = counts;
  }

  private void fill(int chunk, long token, long slot, long start, long rows) {
    long[] mine = next[chunk];
    long at = kept[chunk];
    for (long t = chunk * chunkTokens; t < end(chunk); t++) {
      long first = at;
      for (long j = 0; j < topK; j++) {
        long id = Host.getLong(ids + 8 * (t * topK + j));
        if (id == -1) continue;
        long row = mine[(int) id]++;
        Host.setLong(token + 8 * row, t);
        Host.setLong(slot + 8 * row, t * topK + j);
        insert(rows, first, at++, row);
      }
      Host.setLong(start + 8 * (t + 1), at);
    }
  }

  /** Puts {@code row} among those of its token, [first, at), so that they ascend. */
  private static void insert(long rows, long first, long at, long row) {
    while (at > first && Host.getLong(rows + 8 * (at - 1)) > row) {
      Host.setLong(rows + 8 * at, Host.getLong(rows + 8 * (at - 1)));
      at--;
    }
    Host.setLong(rows + 8 * at, row);
  }
}
