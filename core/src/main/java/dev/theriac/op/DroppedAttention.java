package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * Attention whose probabilities are changed before they weigh the values, as dropout changes them
 * while training; made of products and a softmax, a block of queries at a time. {@link Attention}
 * never has the probabilities at hand, which makes it faster and smaller.
 */
public final class DroppedAttention {
  private static final long BLOCK = 256;
  // A masked score. Finite: a row of filling, which nobody reads, sees nothing and must not be NaN.
  private static final float HIDDEN = -1e30f;

  private DroppedAttention() {}

  /**
   * change(softmax(query key^T / sqrt(D) + mask)) value. Query t of T in row b stands at position S
   * - T + t; but with T = 1 it stands at lengths[b] - 1, as with cached rows of different lengths.
   *
   * @param query [B, T, H, D]
   * @param key [B, S, G, D], H a multiple of G
   * @param value [B, S, G, D]
   * @param lengths I64 [B]: keys from lengths[b] on are padding and hidden; null hides none
   * @param causal hides keys that come after the query's own position
   * @param window of a causal mask: positions that a query sees, its own among them; 0 for all
   * @param change probabilities [B, G, H / G, t, s] of a block of queries to others, such as {@link
   *     Elementwise#dropout}; a hidden key's are 0
   * @return [B, T, H, D]
   */
  public static Tensor attention(
      Tensor query,
      Tensor key,
      Tensor value,
      Tensor lengths,
      boolean causal,
      int window,
      UnaryOperator<Tensor> change) {
    WindowedAttention.check(query, key, value, causal);
    Check.that(window >= 0, "attention: a window of %d positions; 0 or more is wanted", window);
    long batch = query.size(0);
    long count = query.size(1);
    long seen = key.size(1);
    long[] ends = new long[Math.toIntExact(batch)];
    Arrays.fill(ends, seen);
    if (lengths != null) {
      Check.dtype("attention", "lengths", lengths, DType.I64);
      Check.shape("attention", "lengths", lengths, batch);
      ends = lengths.toLongs();
    }
    List<Tensor> blocks = new ArrayList<>();
    for (long from = 0; from < count; from += BLOCK) {
      long to = Math.min(count, from + BLOCK);
      long[] at = new long[ends.length];
      for (int b = 0; b < at.length; b++) at[b] = count == 1 ? ends[b] - 1 : seen - count + from;
      Mask mask = new Mask(ends, at, causal || window > 0, window > 0 ? window : seen);
      blocks.add(block(query.slice(1, from, to), key, value, mask, change));
    }
    return blocks.size() == 1 ? blocks.getFirst() : ShapeFunctions.concat(1, blocks);
  }

  /**
   * What the queries of a block see.
   *
   * @param ends keys of each row
   * @param at position of each row's first query
   */
  private record Mask(long[] ends, long[] at, boolean causal, long window) {
    boolean visible(int row, int query, long key) {
      if (key >= ends[row]) return false;
      long own = at[row] + query;
      return !causal || key <= own && key > own - window;
    }

    long from() {
      return causal ? Math.max(0, Arrays.stream(at).min().orElse(0) - window + 1) : 0;
    }

    long to(int queries, long keys) {
      return causal ? Math.min(keys, Arrays.stream(at).max().orElse(0) + queries) : keys;
    }
  }

  private static Tensor block(
      Tensor query, Tensor key, Tensor value, Mask mask, UnaryOperator<Tensor> change) {
    int batch = mask.ends.length;
    int count = Math.toIntExact(query.size(1));
    long from = mask.from();
    long to = mask.to(count, key.size(1));
    int width = Math.toIntExact(to - from);
    float[] hidden = new float[Math.multiplyExact(batch * count, width)];
    for (int b = 0; b < batch; b++) {
      for (int t = 0; t < count; t++) {
        for (int s = 0; s < width; s++) {
          hidden[(b * count + t) * width + s] = mask.visible(b, t, from + s) ? 0 : HIDDEN;
        }
      }
    }
    long heads = query.size(2);
    long groups = key.size(2);
    long depth = query.size(3);
    Tensor q = query.to(DType.F32).reshape(batch, count, groups, heads / groups, depth);
    Tensor k = key.slice(1, from, to).to(DType.F32).unsqueeze(3);
    Tensor v = value.slice(1, from, to).to(DType.F32).unsqueeze(3);
    Tensor scores = q.permute(0, 2, 3, 1, 4).matmul(k.permute(0, 2, 3, 4, 1));
    Tensor masked =
        scores
            .mul(1 / Math.sqrt(depth))
            .add(Tensor.of(query.device(), hidden, batch, 1, 1, count, width));
    Tensor out = change.apply(masked.softmax()).matmul(v.permute(0, 2, 3, 1, 4));
    return Elementwise.cast(
        out.permute(0, 3, 1, 2, 4).reshape(batch, count, heads, depth), query.dtype());
  }
}
