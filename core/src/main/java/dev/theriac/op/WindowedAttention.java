package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;

/**
 * Causal attention in which a query sees a window of the positions before it (Mistral's sliding
 * window), for texts that are longer than that: work and memory grow with the window and the length
 * of the text, not with the square of that.
 */
public final class WindowedAttention {
  private WindowedAttention() {}

  /**
   * softmax(query key^T / sqrt(D) + mask) value. Query t of T in row b stands at position S - T + t
   * and sees the {@code window} positions up to its own; but with T = 1 it stands at lengths[b] -
   * 1, as with cached rows of different lengths. Sums have one order, whatever the number of
   * threads.
   *
   * @param query [B, T, H, D]
   * @param key [B, S, G, D], H a multiple of G
   * @param value [B, S, G, D]
   * @param lengths I64 [B]: keys from lengths[b] on are padding, and so are queries that stand
   *     there, whose values mean nothing; null hides none
   * @param window positions that a query sees, its own among them; 1 or more
   * @return [B, T, H, D]
   */
  public static Tensor attention(
      Tensor query, Tensor key, Tensor value, Tensor lengths, int window) {
    Check.that(window >= 1, "attention: a window of %d positions; 1 or more is wanted", window);
    check(query, key, value, true);
    if (lengths != null) {
      Check.dtype("attention", "lengths", lengths, DType.I64);
      Check.shape("attention", "lengths", lengths, query.size(0));
      lengths = lengths.contiguous();
      Check.ids("attention lengths", lengths, key.size(1) + 1);
    }
    Tensor q = Attention.dense(query);
    Tensor k = Attention.dense(key);
    Tensor v = Attention.dense(value);
    Tensor out = Tensor.empty(q.device(), "attention", DType.F32, q.shape());
    Tensor lse =
        Tensor.empty(q.device(), "attention", DType.F32, q.size(0) * q.size(2) * q.size(1));
    float scale = (float) (1 / Math.sqrt(query.size(3)));
    var op = new AttentionOp.Windowed(q, k, v, lengths, window, scale, lse);
    new WindowParts(op).forward(Check.backend("attention", q, k, v).attention(), out.strided());
    return Elementwise.cast(Autograd.result(out.strided(), op), query.dtype());
  }

  static void check(Tensor query, Tensor key, Tensor value, boolean causal) {
    Check.that(
        query.rank() == 4
            && key.rank() == 4
            && key.layout().sameShape(value.layout())
            && query.size(0) == key.size(0)
            && query.size(3) == key.size(3)
            && key.size(2) > 0
            && query.size(2) % key.size(2) == 0
            && (!causal || query.size(1) <= key.size(1)),
        "attention: query %s, key %s, value %s do not fit",
        query.layout(),
        key.layout(),
        value.layout());
  }
}
