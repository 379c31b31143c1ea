package dev.theriac.moe;

import dev.theriac.tensor.Tensor;

/**
 * The order in which routed rows are computed: rows of one expert together, inside an expert by
 * token, then by choice (a stable counting sort). Nothing is dropped.
 *
 * @param offsets I64 [E+1], where each expert's rows begin; the last is T * k
 * @param rowToken I64 [T * k], the token of each row
 * @param slotRow I64 [T * k], the row of token t's choice j at t * k + j
 */
public record Dispatch(Tensor offsets, Tensor rowToken, Tensor slotRow) {
  /**
   * @param experts I64 [T, k], ids in [0, expertCount)
   * @throws IndexOutOfBoundsException naming token and choice when an id is out of range
   */
  public static Dispatch of(Tensor experts, int expertCount) {
    int topK = Math.toIntExact(experts.size(1));
    long[] ids = experts.toLongs();
    long[] offsets = new long[expertCount + 1];
    for (int slot = 0; slot < ids.length; slot++) {
      if (ids[slot] < 0 || ids[slot] >= expertCount) {
        throw new IndexOutOfBoundsException(
            "dispatch: expert %d of token %d, choice %d is not in [0, %d)"
                .formatted(ids[slot], slot / topK, slot % topK, expertCount));
      }
      offsets[(int) ids[slot] + 1]++;
    }
    for (int e = 0; e < expertCount; e++) offsets[e + 1] += offsets[e];
    long[] next = offsets.clone();
    long[] rowToken = new long[ids.length];
    long[] slotRow = new long[ids.length];
    for (int slot = 0; slot < ids.length; slot++) {
      long row = next[(int) ids[slot]]++;
      rowToken[(int) row] = slot / topK;
      slotRow[slot] = row;
    }
    return new Dispatch(Tensor.of(offsets), Tensor.of(rowToken), Tensor.of(slotRow));
  }
}
