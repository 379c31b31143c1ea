package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;

/** Scaled dot-product attention (Vaswani et al., "Attention is all you need", equation 1). */
public final class Attention {
  private Attention() {}

  /** {@link #attention(Tensor, Tensor, Tensor, Tensor, boolean, double)} scaled by 1/sqrt(D). */
  public static Tensor attention(
      Tensor query, Tensor key, Tensor value, Tensor lengths, boolean causal) {
    return attention(query, key, value, lengths, causal, 1 / Math.sqrt(query.size(-1)));
  }

  /**
   * softmax(scale * query key^T + mask) value, head by head. With G &lt; H key-value heads, query
   * head h reads head h / (H / G) (grouped-query attention). Query t of T stands at position S - T
   * + t, so that a query block after cached keys sees all of them.
   *
   * @param query [B, T, H, D]
   * @param key [B, S, G, D], H a multiple of G
   * @param value [B, S, G, D]
   * @param lengths I64 [B]: keys from lengths[b] on are padding and hidden; null hides none
   * @param causal hides keys that come after the query's own position
   * @return [B, T, H, D]; a query that sees no key gives zeros
   */
  public static Tensor attention(
      Tensor query, Tensor key, Tensor value, Tensor lengths, boolean causal, double scale) {
    Check.that(
        query.rank() == 4
            && key.rank() == 4
            && key.layout().sameShape(value.layout())
            && query.size(0) == key.size(0)
            && query.size(3) == key.size(3)
            && key.size(2) > 0
            && query.size(2) % key.size(2) == 0,
        "attention: query %s, key %s, value %s do not fit; [B, T, H, D] and twice [B, S, G, D] with"
            + " H a multiple of G are wanted",
        query.layout(),
        key.layout(),
        value.layout());
    Check.that(
        !causal || query.size(1) <= key.size(1),
        "attention: %d causal queries for %d keys; query t stands at position S - T + t",
        query.size(1),
        key.size(1));
    if (lengths != null) {
      Check.dtype("attention", "lengths", lengths, DType.I64);
      Check.shape("attention", "lengths", lengths, query.size(0));
      lengths = lengths.contiguous();
      Check.ids("attention lengths", lengths, key.size(1) + 1);
    }
    Tensor q = dense(query);
    Tensor k = dense(key);
    Tensor v = dense(value);
    Tensor out = Tensor.empty(q.device(), "attention", DType.F32, q.shape());
    Tensor lse = Tensor.empty(q.device(), "attention", DType.F32, q.size(0), q.size(2), q.size(1));
    Check.backend("attention", q, k, v, lengths)
        .attention()
        .attention(
            q.strided(),
            k.strided(),
            v.strided(),
            strided(lengths),
            causal,
            (float) scale,
            out.strided(),
            lse.strided());
    var op = new AttentionOp.ScaledDotProduct(q, k, v, lengths, causal, (float) scale, lse);
    return Elementwise.cast(Autograd.result(out.strided(), op), query.dtype());
  }

  static Tensor dense(Tensor x) {
    Tensor t = Check.f32("attention", x);
    return t.layout().stride(3) == 1 || t.size(3) <= 1 ? t : t.contiguous();
  }

  static Strided strided(Tensor t) {
    return t == null ? null : t.strided();
  }
}
