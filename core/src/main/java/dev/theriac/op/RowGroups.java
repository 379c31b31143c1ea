package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Tensor;
import java.util.BitSet;

/**
 * How T tokens are spread over E groups of rows, and how rows find back to their token. Rows of one
 * group lie together; inside a group they follow the token, then the choice. A token has as many
 * rows as choices, dropped ones left out. Immutable; all offsets are 64-bit.
 *
 * @param tokens number of tokens T
 * @param offsets I64 [E+1], where each group's rows begin; the last is the number of rows R
 * @param rowToken I64 [R], the token of each row
 * @param rowSlot I64 [R], each row's place in the flattened routing weights
 * @param tokenStart I64 [T+1], where each token's rows begin in {@code tokenRow}
 * @param tokenRow I64 [R], rows token by token, ascending within a token
 */
public record RowGroups(
    long tokens,
    Tensor offsets,
    Tensor rowToken,
    Tensor rowSlot,
    Tensor tokenStart,
    Tensor tokenRow) {
  /**
   * @throws IllegalArgumentException when shapes do not fit, offsets or starts do not ascend from 0
   *     to R, an entry is out of range, a slot is taken twice, a group has a token twice, or {@code
   *     tokenRow} does not list exactly each token's rows in ascending order
   */
  public RowGroups {
    Check.that(tokens >= 0, "rowGroups: %d tokens", tokens);
    Check.that(offsets.size() >= 2, "rowGroups: no group; offsets must be [E+1] with E >= 1");
    long rows = rowToken.size();
    checkBounds("offsets", offsets, rows);
    checkBounds("tokenStart", tokenStart, rows);
    Check.shape("rowGroups", "tokenStart", tokenStart, tokens + 1);
    Check.shape("rowGroups", "rowSlot", rowSlot, rows);
    Check.shape("rowGroups", "tokenRow", tokenRow, rows);
    Check.ids("rowGroups", int64("rowToken", rowToken), tokens);
    Check.ids("rowGroups", int64("rowSlot", rowSlot), Long.MAX_VALUE);
    Check.ids("rowGroups", int64("tokenRow", tokenRow), rows);
    checkTokens(tokens, rowToken, tokenStart, tokenRow);
    checkDistinct(tokens, offsets, rowToken, rowSlot);
  }

  /**
   * From each token's choices, by a stable counting sort.
   *
   * @param ids I64 [T, k], the group of each choice, or -1 where it was dropped; different ones in
   *     a token
   * @param groups number of groups E
   * @return rows whose {@code rowSlot} is t * k + j for choice j of token t
   * @throws IllegalArgumentException naming token and choice for an id out of range or repeated
   */
  public static RowGroups of(Tensor ids, int groups) {
    Check.dtype("rowGroups", "ids", ids, DType.I64);
    Check.that(ids.rank() == 2, "rowGroups: ids must be [T, k], got %s", ids.layout());
    Check.that(groups >= 1, "rowGroups: %d groups", groups);
    return new RowSort(ids.contiguous(), groups).run();
  }

  /**
   * From each group's choice of tokens (expert choice).
   *
   * @param chosen I64 [E, C], tokens of each group, or -1 for a place that stays empty; different
   *     ones in a group
   * @return rows whose {@code rowSlot} is e * C + c for place c of group e
   * @throws IllegalArgumentException naming group and place for a token out of range or repeated
   */
  public static RowGroups ofColumns(Tensor chosen, long tokens) {
    Check.dtype("rowGroups", "chosen", chosen, DType.I64);
    Check.that(chosen.rank() == 2, "rowGroups: chosen must be [E, C], got %s", chosen.layout());
    return RowSort.byGroup(chosen.contiguous(), tokens);
  }

  /** Number of rows R. */
  public long rows() {
    return rowToken.size();
  }

  /** Number of groups E. */
  public int groups() {
    return Math.toIntExact(offsets.size() - 1);
  }

  /** Rows of each group. */
  public long[] counts() {
    long[] o = offsets.toLongs();
    long[] counts = new long[o.length - 1];
    for (int e = 0; e < counts.length; e++) counts[e] = o[e + 1] - o[e];
    return counts;
  }

  /** Rows that ascend within each token and belong to it, R of them, are every row once. */
  private static void checkTokens(
      long tokens, Tensor rowToken, Tensor tokenStart, Tensor tokenRow) {
    long token = rowToken.strided().address();
    long start = tokenStart.strided().address();
    long list = tokenRow.strided().address();
    for (long t = 0; t < tokens; t++) {
      long last = -1;
      for (long i = Host.getLong(start + 8 * t); i < Host.getLong(start + 8 * (t + 1)); i++) {
        long row = Host.getLong(list + 8 * i);
        if (row <= last || Host.getLong(token + 8 * row) != t) {
          throw new IllegalArgumentException(
              "rowGroups: tokenRow lists row %d after row %d for token %d, rowToken gives it to %d"
                  .formatted(row, last, t, Host.getLong(token + 8 * row)));
        }
        last = row;
      }
    }
  }

  private static void checkDistinct(long tokens, Tensor offsets, Tensor rowToken, Tensor rowSlot) {
    long token = rowToken.strided().address();
    long slot = rowSlot.strided().address();
    long[] bounds = offsets.toLongs();
    int[] seen = new int[Math.toIntExact(tokens)]; // the last group that had a token, plus one
    BitSet slots = new BitSet();
    for (int e = 0; e + 1 < bounds.length; e++) {
      for (long r = bounds[e]; r < bounds[e + 1]; r++) {
        long t = Host.getLong(token + 8 * r);
        int s = Math.toIntExact(Host.getLong(slot + 8 * r));
        Check.that(seen[(int) t] != e + 1, "rowGroups: group %d has token %d twice", e, t);
        Check.that(!slots.get(s), "rowGroups: slot %d of row %d is taken", s, r);
        seen[(int) t] = e + 1;
        slots.set(s);
      }
    }
  }

  private static Tensor int64(String what, Tensor t) {
    Check.dtype("rowGroups", what, t, DType.I64);
    Check.that(
        t.rank() == 1 && t.layout().isContiguous(),
        "rowGroups: %s must be one contiguous row, got %s",
        what,
        t.layout());
    return t;
  }

  private static void checkBounds(String what, Tensor bounds, long rows) {
    int64(what, bounds);
    long at = bounds.strided().address();
    long last = 0;
    for (long i = 0; i < bounds.size(); i++) {
      long bound = Host.getLong(at + 8 * i);
      Check.that(
          bound >= last && bound <= rows && (i > 0 || bound == 0),
          "rowGroups: %s[%d] is %d after %d; they ascend from 0 to the %d rows",
          what,
          i,
          bound,
          last,
          rows);
      last = bound;
    }
    Check.that(last == rows, "rowGroups: %s ends at %d, there are %d rows", what, last, rows);
  }
}
