package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.lang.ref.Reference;
import java.util.BitSet;

/**
 * How T tokens are spread over E groups of rows, and how rows find back to their token. Rows of one
 * group lie together; inside a group they follow the token, then the choice. A token has as many
 * rows as choices, dropped ones left out. Immutable; all offsets are 64-bit.
 */
public final class RowGroups {
  private final long tokens;
  private final Tensor offsets;
  private final Tensor rowToken;
  private final Tensor rowSlot;
  private final Tensor tokenStart;
  private final Tensor tokenRow;

  /**
   * Of given parts, all I64, contiguous and on one device.
   *
   * @param tokens number of tokens T
   * @param offsets [E+1], where each group's rows begin; the last is the number of rows R
   * @param rowToken [R], the token of each row
   * @param rowSlot [R], each row's place in the flattened routing weights
   * @param tokenStart [T+1], where each token's rows begin in {@code tokenRow}
   * @param tokenRow [R], rows token by token, ascending within a token
   * @throws IllegalArgumentException when shapes do not fit, offsets or starts do not ascend from 0
   *     to R, an entry is out of range, a slot is taken twice, a group has a token twice, or {@code
   *     tokenRow} does not list exactly each token's rows in ascending order
   */
  public RowGroups(
      long tokens,
      Tensor offsets,
      Tensor rowToken,
      Tensor rowSlot,
      Tensor tokenStart,
      Tensor tokenRow) {
    this(tokens, offsets, rowToken, rowSlot, tokenStart, tokenRow, true);
  }

  /** Without a look at values, which come from a sort. */
  static RowGroups sorted(
      long tokens,
      Tensor offsets,
      Tensor rowToken,
      Tensor rowSlot,
      Tensor tokenStart,
      Tensor tokenRow) {
    return new RowGroups(tokens, offsets, rowToken, rowSlot, tokenStart, tokenRow, false);
  }

  private RowGroups(
      long tokens,
      Tensor offsets,
      Tensor rowToken,
      Tensor rowSlot,
      Tensor tokenStart,
      Tensor tokenRow,
      boolean check) {
    this.tokens = tokens;
    this.offsets = offsets;
    this.rowToken = rowToken;
    this.rowSlot = rowSlot;
    this.tokenStart = tokenStart;
    this.tokenRow = tokenRow;
    if (check) check();
  }

  private void check() {
    Check.that(tokens >= 0, "rowGroups: %d tokens", tokens);
    Check.that(offsets.size() >= 2, "rowGroups: no group; offsets must be [E+1] with E >= 1");
    Check.backend("rowGroups", offsets, rowToken, rowSlot, tokenStart, tokenRow);
    long rows = rowToken.size();
    int64("offsets", offsets);
    int64("tokenStart", tokenStart);
    int64("rowToken", rowToken);
    int64("rowSlot", rowSlot);
    int64("tokenRow", tokenRow);
    checkBounds("offsets", offsets, rows);
    checkBounds("tokenStart", tokenStart, rows);
    Check.shape("rowGroups", "tokenStart", tokenStart, tokens + 1);
    Check.shape("rowGroups", "rowSlot", rowSlot, rows);
    Check.shape("rowGroups", "tokenRow", tokenRow, rows);
    Check.ids("rowGroups", rowToken, tokens);
    Check.ids("rowGroups", rowSlot, Long.MAX_VALUE);
    Check.ids("rowGroups", tokenRow, rows);
    try (Scope _ = Scope.open()) {
      long token = rowToken.to(Device.CPU).strided().address();
      long slot = rowSlot.to(Device.CPU).strided().address();
      checkTokens(token, tokenStart.toLongs(), tokenRow.to(Device.CPU).strided().address());
      checkDistinct(token, slot);
    }
    Reference.reachabilityFence(this);
  }

  /** Number of tokens T. */
  public long tokens() {
    return tokens;
  }

  /** I64 [E+1], where each group's rows begin; the last is the number of rows R. */
  public Tensor offsets() {
    return offsets;
  }

  /** I64 [R], the token of each row. */
  public Tensor rowToken() {
    return rowToken;
  }

  /** I64 [R], each row's place in the flattened routing weights. */
  public Tensor rowSlot() {
    return rowSlot;
  }

  /** I64 [T+1], where each token's rows begin in {@link #tokenRow}. */
  public Tensor tokenStart() {
    return tokenStart;
  }

  /** I64 [R], rows token by token, ascending within a token. */
  public Tensor tokenRow() {
    return tokenRow;
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
    return RowSort.byToken(ids.contiguous(), groups);
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
  private void checkTokens(long token, long[] start, long list) {
    for (int t = 0; t < tokens; t++) {
      long last = -1;
      for (long i = start[t]; i < start[t + 1]; i++) {
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

  private void checkDistinct(long token, long slot) {
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

  private static void int64(String what, Tensor t) {
    Check.dtype("rowGroups", what, t, DType.I64);
    Check.that(
        t.rank() == 1 && t.layout().isContiguous(),
        "rowGroups: %s must be one contiguous row, got %s",
        what,
        t.layout());
  }

  private static void checkBounds(String what, Tensor bounds, long rows) {
    long[] all = bounds.toLongs();
    long last = 0;
    for (int i = 0; i < all.length; i++) {
      long bound = all[i];
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
