package dev.theriac.op;

import dev.theriac.backend.Workers;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Tensor;

/**
 * Stable counting sort of tokens' choices by group. Chunks of tokens are counted side by side; each
 * then fills its own places, which follow from the counts of the chunks before it: the result does
 * not depend on who ran what.
 */
final class RowSort {
  /** Choices in a chunk, about. */
  private static final long CHUNK = 16_384;

  private final Tensor ids;
  private final long tokens;
  private final long topK;
  private final int groups;
  private final long chunkTokens;
  private final int chunks;

  /** First row of each chunk's choices of each group; before that, their number. */
  private final long[][] next;

  /** Rows before each chunk. */
  private final long[] kept;

  RowSort(Tensor ids, int groups) {
    this.ids = ids;
    this.groups = groups;
    tokens = ids.size(0);
    topK = ids.size(1);
    chunkTokens = Math.max(1, CHUNK / Math.max(1, topK));
    chunks = Math.toIntExact((tokens + chunkTokens - 1) / chunkTokens);
    next = new long[chunks][];
    kept = new long[chunks + 1];
  }

  RowGroups run() {
    Workers.parallelFor(chunks, this::count);
    long[] offsets = new long[groups + 1];
    long row = 0;
    for (int e = 0; e < groups; e++) {
      offsets[e] = row;
      for (long[] chunk : next) {
        long own = chunk[e];
        chunk[e] = row;
        row += own;
      }
    }
    offsets[groups] = row;
    for (int c = 0; c < chunks; c++) kept[c + 1] += kept[c];
    Tensor rowToken = Tensor.empty("rowGroups", DType.I64, row);
    Tensor rowSlot = Tensor.empty("rowGroups", DType.I64, row);
    Tensor tokenStart = Tensor.empty("rowGroups", DType.I64, tokens + 1);
    Tensor tokenRow = Tensor.empty("rowGroups", DType.I64, row);
    long token = rowToken.strided().address();
    long slot = rowSlot.strided().address();
    long start = tokenStart.strided().address();
    long rows = tokenRow.strided().address();
    Host.setLong(start, 0);
    Workers.parallelFor(chunks, chunk -> fill(chunk, token, slot, start, rows));
    return new RowGroups(tokens, Tensor.of(offsets), rowToken, rowSlot, tokenStart, tokenRow);
  }

  private long end(int chunk) {
    return Math.min(tokens, (chunk + 1) * chunkTokens);
  }

  private void count(int chunk) {
    long[] counts = new long[groups];
    long[] seen = new long[groups]; // the last token that chose a group, plus one
    long from = ids.strided().address();
    for (long t = chunk * chunkTokens; t < end(chunk); t++) {
      for (long j = 0; j < topK; j++) {
        long id = Host.getLong(from + 8 * (t * topK + j));
        if (id == -1) continue;
        if (id < 0 || id >= groups) {
          throw new IllegalArgumentException(
              "rowGroups: id %d of token %d, choice %d is not in [0, %d), nor -1 for a dropped one"
                  .formatted(id, t, j, groups));
        }
        if (seen[(int) id] == t + 1) {
          throw new IllegalArgumentException(
              "rowGroups: token %d chose %d twice, the second time with choice %d; a token's"
                      .formatted(t, id, j)
                  + " choices must differ");
        }
        seen[(int) id] = t + 1;
        counts[(int) id]++;
        kept[chunk + 1]++;
      }
    }
    next[chunk] = counts;
  }

  private void fill(int chunk, long token, long slot, long start, long rows) {
    long from = ids.strided().address();
    long[] mine = next[chunk];
    long at = kept[chunk];
    for (long t = chunk * chunkTokens; t < end(chunk); t++) {
      long first = at;
      for (long j = 0; j < topK; j++) {
        long id = Host.getLong(from + 8 * (t * topK + j));
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

  /** Rows by group from a list of tokens for each; -1 is no token. */
  static RowGroups byGroup(Tensor chosen, long tokens) {
    int groups = Math.toIntExact(chosen.size(0));
    long places = chosen.size(1);
    long[] list = chosen.toLongs();
    long[] offsets = new long[groups + 1];
    long[] start = new long[Math.toIntExact(tokens + 1)];
    long[] seen = new long[start.length];
    for (int e = 0; e < groups; e++) {
      offsets[e + 1] = offsets[e];
      for (long c = 0; c < places; c++) {
        long t = list[Math.toIntExact(e * places + c)];
        if (t == -1) continue;
        if (t < 0 || t >= tokens || seen[(int) t] == e + 1) {
          throw new IllegalArgumentException(
              "rowGroups: token %d in place %d of group %d is %s"
                  .formatted(
                      t,
                      c,
                      e,
                      t < 0 || t >= tokens
                          ? "not in [0, %d), nor -1 for an empty place".formatted(tokens)
                          : "there twice"));
        }
        seen[(int) t] = e + 1;
        start[(int) t + 1]++;
        offsets[e + 1]++;
      }
    }
    for (int t = 0; t < tokens; t++) start[t + 1] += start[t];
    int rows = Math.toIntExact(offsets[groups]);
    long[] rowToken = new long[rows];
    long[] rowSlot = new long[rows];
    long[] tokenRow = new long[rows];
    long[] next = start.clone();
    int row = 0;
    for (int i = 0; i < list.length; i++) {
      if (list[i] == -1) continue;
      rowToken[row] = list[i];
      rowSlot[row] = i;
      tokenRow[(int) next[(int) list[i]]++] = row++;
    }
    return new RowGroups(
        tokens,
        Tensor.of(offsets),
        Tensor.of(rowToken),
        Tensor.of(rowSlot),
        Tensor.of(start),
        Tensor.of(tokenRow));
  }
}
