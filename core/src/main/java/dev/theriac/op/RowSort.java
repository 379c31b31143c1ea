package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.DeviceStorage;
import dev.theriac.tensor.Tensor;

/** Makes {@link RowGroups} of choices. */
final class RowSort {
  private RowSort() {}

  /** From each token's choices, contiguous: by a kernel where they are. */
  static RowGroups byToken(Tensor ids, int groups) {
    long tokens = ids.size(0);
    long most = ids.size();
    boolean known =
        ids.storage() instanceof DeviceStorage there
            && there.distinctIdsBelow(groups, ids.layout());
    Tensor offsets = empty(ids, groups + 1L);
    Tensor rowToken = empty(ids, most);
    Tensor rowSlot = empty(ids, most);
    Tensor tokenStart = empty(ids, tokens + 1);
    Tensor tokenRow = empty(ids, most);
    long rows =
        Check.backend("rowGroups", ids)
            .selection()
            .sortRows(
                ids.strided(),
                groups,
                known,
                offsets.strided(),
                rowToken.strided(),
                rowSlot.strided(),
                tokenStart.strided(),
                tokenRow.strided());
    know(offsets, rows + 1);
    know(tokenStart, rows + 1);
    return RowGroups.sorted(
        tokens,
        offsets,
        first(rowToken, rows, tokens),
        first(rowSlot, rows, most),
        tokenStart,
        first(tokenRow, rows, rows));
  }

  private static Tensor empty(Tensor ids, long size) {
    return Tensor.empty(ids.device(), "rowGroups", DType.I64, size);
  }

  /** The first of the entries, which are below {@code bound}. */
  private static Tensor first(Tensor all, long rows, long bound) {
    know(all, bound);
    return rows == all.size() ? all : all.slice(0, 0, rows);
  }

  private static void know(Tensor t, long bound) {
    if (t.storage() instanceof DeviceStorage there) there.knowIds(bound, 1);
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
    Device device = chosen.device();
    return RowGroups.sorted(
        tokens,
        Tensor.of(device, offsets),
        Tensor.of(device, rowToken),
        Tensor.of(device, rowSlot),
        Tensor.of(device, start),
        Tensor.of(device, tokenRow));
  }
}
