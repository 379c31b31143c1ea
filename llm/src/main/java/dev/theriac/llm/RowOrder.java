package dev.theriac.llm;

import dev.theriac.nn.TokenMask;
import dev.theriac.op.Index;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;

/**
 * An order of a batch's positions in which each row's tokens come first, since attention hides the
 * end of rows only. Null stands for rows that are in that order already.
 */
record RowOrder(long[] order, long[] inverse, long[] lengths) {
  /** For a mask; its {@link #lengths} are null when every position holds a token. */
  static RowOrder of(TokenMask mask) {
    if (mask == null || mask.isAll()) return new RowOrder(null, null, null);
    int width = mask.length();
    long[] order = new long[mask.size()];
    long[] inverse = new long[mask.size()];
    long[] lengths = new long[mask.batch()];
    boolean same = true;
    for (int b = 0; b < mask.batch(); b++) {
      int at = b * width;
      for (int pass = 0; pass < 2; pass++) {
        for (int i = b * width; i < (b + 1) * width; i++) {
          if (mask.isValid(i) != (pass == 0)) continue;
          same &= at == i;
          inverse[i] = at;
          order[at++] = i;
          if (pass == 0) lengths[b]++;
        }
      }
    }
    return same ? new RowOrder(null, null, lengths) : new RowOrder(order, inverse, lengths);
  }

  /** Tokens of each row, I64 [B], or null. */
  Tensor lengthsTensor() {
    return lengths == null ? null : Tensor.of(lengths);
  }

  /** [B, T, D] with tokens first. */
  Tensor apply(Tensor x) {
    return order == null ? x : gather(x, order);
  }

  /** {@link #apply} undone. */
  Tensor undo(Tensor x) {
    return inverse == null ? x : gather(x, inverse);
  }

  /** Values of positions, tokens first. */
  long[] apply(long[] values) {
    return order == null ? values : Arrays.stream(order).map(i -> values[(int) i]).toArray();
  }

  private static Tensor gather(Tensor x, long[] rows) {
    Tensor flat = x.reshape(x.size(0) * x.size(1), x.size(2));
    return Index.gatherRows(flat, Tensor.of(x.device(), rows)).reshape(x.shape());
  }
}
