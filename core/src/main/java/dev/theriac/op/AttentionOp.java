package dev.theriac.op;

import dev.theriac.tensor.Tensor;
import java.util.List;

/** Scaled dot-product attention. */
sealed interface AttentionOp extends Op {
  record ScaledDotProduct(
      Tensor query,
      Tensor key,
      Tensor value,
      Tensor lengths,
      boolean causal,
      float scale,
      Tensor lse)
      implements AttentionOp {
    @Override
    public String name() {
      return "attention";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(query, key, value);
    }

    @Override
    public List<Tensor> saved() {
      return List.of(lse);
    }
  }

  /**
   * Causal attention to a window.
   *
   * @param lse log-sums of the scores, [B, H, n] for each block of n queries that {@link
   *     WindowParts} makes
   */
  record Windowed(
      Tensor query, Tensor key, Tensor value, Tensor lengths, int window, float scale, Tensor lse)
      implements AttentionOp {
    @Override
    public String name() {
      return "windowed attention";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(query, key, value);
    }

    @Override
    public List<Tensor> saved() {
      return List.of(lse);
    }
  }
}
