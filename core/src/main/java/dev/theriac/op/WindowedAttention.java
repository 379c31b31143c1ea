package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Causal attention in which a query sees a window of the positions before it (Mistral's sliding
 * window), for the texts that are longer than that; made of products and a softmax, a block of
 * queries at a time, so that memory grows with the window and not with the square of the length.
 */
public final class WindowedAttention {
  private static final long BLOCK = 256;
  // A masked score. Finite: a row of filling, which nobody reads, sees nothing and must not be NaN.
  private static final float HIDDEN = -1e30f;

  private WindowedAttention() {}

  /**
   * softmax(query key^T / sqrt(D) + mask) value. Query t of T in row b stands at position S - T + t
   * and sees the {@code window} positions up to its own; but with T = 1 it stands at lengths[b] -
   * 1, as with cached rows of different lengths.
   *
   * @param query [B, T, H, D]
   * @param key [B, S, G, D], H a multiple of G
   * @param value [B, S, G, D]
   * @param lengths I64 [B]: keys from lengths[b] on are padding and hidden; null hides none
   * @param window positions that a query sees, its own among them; 1 or more
   * @return [B, T, H, D]
   */
  public static Tensor attention(
      Tensor query, Tensor key, Tensor value, Tensor lengths, int window) {
    Check.that(window >= 1, "attention: a window of %d positions; 1 or more is wanted", window);
    Check.that(
        query.rank() == 4
            && key.rank() == 4
            && key.layout().sameShape(value.layout())
            && query.size(0) == key.size(0)
            && query.size(3) == key.size(3)
            && key.size(2) > 0
            && query.size(2) % key.size(2) == 0
            && query.size(1) <= key.size(1),
        "attention: query %s, key %s, value %s do not fit",
        query.layout(),
        key.layout(),
        value.layout());
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
      blocks.add(block(query.slice(1, from, to), key, value, ends, at, window));
    }
    return blocks.size() == 1 ? blocks.getFirst() : ShapeFunctions.concat(1, blocks);
  }

  /** Queries of which the first of each row stands at {@code at}. */
  private static Tensor block(
      Tensor query, Tensor key, Tensor value, long[] ends, long[] at, int window) {
    int batch = ends.length;
    int count = Math.toIntExact(query.size(1));
    long from = Math.max(0, Arrays.stream(at).min().orElse(0) - window + 1);
    long to = Math.min(key.size(1), Arrays.stream(at).max().orElse(0) + count);
    int width = Math.toIntExact(to - from);
    float[] mask = new float[Math.multiplyExact(batch * count, width)];
    for (int b = 0; b < batch; b++) {
      for (int t = 0; t < count; t++) {
        for (int s = 0; s < width; s++) {
          long p = from + s;
          long own = at[b] + t;
          boolean visible = p <= own && p > own - window && p < ends[b];
          mask[(b * count + t) * width + s] = visible ? 0 : HIDDEN;
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
    Tensor hidden = Tensor.of(mask, batch, 1, 1, count, width);
    Tensor weights = scores.mul(1 / Math.sqrt(depth)).add(hidden).softmax();
    Tensor out = weights.matmul(v.permute(0, 2, 3, 1, 4));
    return Elementwise.cast(
        out.permute(0, 3, 1, 2, 4).reshape(batch, count, heads, depth), query.dtype());
  }
}
