package dev.theriac.backend.check;

import dev.theriac.backend.RopeFrequencies;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;

/** Matrix products, attention and rotary positions. */
final class ProductChecks {
  private static final float SCALE = 0.25f;

  /** More keys than attention looks at in one go. */
  private static final long MANY = 1100;

  private ProductChecks() {}

  static void addTo(KernelChecks checks) {
    matmul(checks);
    attention(checks);
    checks.add(
        "rope.rope",
        a -> {
          Strided x = a.random(1, a.rows, 2, 20);
          Strided at = a.longs(a.rows, i -> i);
          Strided positions = at.with(Layout.contiguous(1, a.rows));
          Strided out = a.result(1, a.rows, 2, 20);
          return b -> b.rope().rope(x, positions, RopeFrequencies.of(12, 1e4), false, out);
        });
  }

  private static void matmul(KernelChecks checks) {
    checks.add(
        "matmul.matmul",
        "NN with bias",
        a -> {
          Strided x = a.random(a.rows, 70);
          Strided w = a.random(70, a.columns);
          Strided bias = a.random(a.columns);
          Strided c = a.result(a.rows, a.columns);
          return b -> b.matmul().matmul(x, w, bias, c, false);
        });
    checks.add(
        "matmul.matmul",
        "TN accumulated",
        a -> {
          Strided x = a.transposed(a.rows, 70);
          Strided w = a.random(70, a.columns);
          Strided c = a.changed(a.random(a.rows, a.columns));
          return b -> b.matmul().matmul(x, w, null, c, true);
        });
    for (DType dtype : new DType[] {DType.F32, DType.BF16, DType.F16}) {
      for (int few : new int[] {0, 1, 2, 4}) {
        String which = few == 0 ? "" : few == 1 ? "one row " : few + " rows ";
        checks.add(
            "matmul.matmul",
            which + "NT, " + dtype,
            a -> {
              long rows = few == 0 ? a.rows : few;
              Strided x = a.random(rows, 70);
              Strided w = a.random(dtype, a.columns, 70);
              Strided t = w.with(w.layout().permute(1, 0));
              Strided c = a.result(rows, a.columns);
              return b -> b.matmul().matmul(x, t, null, c, false);
            });
      }
    }
  }

  private static void attention(KernelChecks checks) {
    for (boolean single : new boolean[] {false, true}) {
      checks.add(
          "attention.attention",
          single ? "one query" : "causal",
          a -> {
            long t = single ? 1 : a.rows;
            Strided q = a.random(2, t, 4, 20);
            Strided k = a.random(2, a.rows, 2, 20);
            Strided v = a.random(2, a.rows, 2, 20);
            Strided lengths = a.longs(2, i -> a.rows - i);
            Strided out = a.result(2, t, 4, 20);
            Strided lse = a.result(2, 4, t);
            return b -> b.attention().attention(q, k, v, lengths, true, SCALE, out, lse);
          });
    }
    for (boolean single : new boolean[] {false, true}) {
      checks.add(
          "attention.attention",
          single ? "one query, many keys" : "causal, many keys",
          a -> {
            long t = single ? 1 : a.rows;
            Strided q = a.random(1, t, 2, 20);
            Strided k = a.random(1, MANY, 1, 20);
            Strided v = a.random(1, MANY, 1, 20);
            Strided out = a.result(1, t, 2, 20);
            Strided lse = a.result(1, 2, t);
            return b -> b.attention().attention(q, k, v, null, true, SCALE, out, lse);
          });
    }
    checks.add(
        "attention.attention",
        "not causal",
        a -> {
          Strided q = a.random(2, a.rows, 4, 20);
          Strided k = a.random(2, a.rows, 2, 20);
          Strided v = a.random(2, a.rows, 2, 20);
          Strided out = a.result(2, a.rows, 4, 20);
          Strided lse = a.result(2, 4, a.rows);
          return b -> b.attention().attention(q, k, v, null, false, SCALE, out, lse);
        });
    checks.add(
        "attention.joinAttention",
        a -> {
          Strided out = a.changed(a.random(2, a.rows, 4, 20));
          Strided lse = a.changed(a.random(2, 4, a.rows));
          Strided other = a.random(2, a.rows, 4, 20);
          Strided otherLse = a.random(2, 4, a.rows);
          long[] strides = {4 * a.rows, a.rows, -1};
          Layout behind = Layout.strided(otherLse.layout().shape(), strides, a.rows - 1);
          return b -> b.attention().joinAttention(out, lse, other, otherLse.with(behind));
        });
    gradient(checks, "", true);
    gradient(checks, "not causal", false);
  }

  private static void gradient(KernelChecks checks, String variant, boolean causal) {
    checks.add(
        "attention.attentionGradient",
        variant,
        a -> {
          long t = a.rows;
          Strided q = a.random(2, t, 4, 20);
          Strided k = a.random(2, t, 2, 20);
          Strided v = a.random(2, t, 2, 20);
          Strided out = a.random(2, t, 4, 20);
          // Near the sum that the forward pass would have found, so that nothing overflows.
          Strided lse = a.positive(2, 4, t);
          Strided grad = a.random(2, t, 4, 20);
          Strided dq = a.result(2, t, 4, 20);
          Strided dk = a.result(2, t, 2, 20);
          Strided dv = a.result(2, t, 2, 20);
          return b ->
              b.attention()
                  .attentionGradient(q, k, v, null, causal, SCALE, out, lse, grad, dq, dk, dv);
        });
  }
}
