package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import org.junit.jupiter.api.Test;

class WindowedAttentionTest {
  /** Several blocks of queries; each query beside plain attention to its window. */
  @Test
  void eachQuerySeesItsWindow() {
    try (Scope _ = Scope.open()) {
      Rng rng = new Rng(4);
      int length = 530;
      int window = 9;
      Tensor q = Tensor.randn(rng, 1, 2, length, 4, 8);
      Tensor k = Tensor.randn(rng, 1, 2, length, 2, 8);
      Tensor v = Tensor.randn(rng, 1, 2, length, 2, 8);
      Tensor lengths = Tensor.of(new long[] {length, 300});
      Tensor out = WindowedAttention.attention(q, k, v, lengths, window);
      for (int t : new int[] {0, 3, 8, 9, 255, 256, 299, 511, 512, 529}) {
        int from = Math.max(0, t - window + 1);
        Tensor wanted =
            Attention.attention(
                q.slice(1, t, t + 1), k.slice(1, from, t + 1), v.slice(1, from, t + 1), null, true);
        for (int b = 0; b < (t < 300 ? 2 : 1); b++) {
          for (int h = 0; h < 4; h++) {
            assertThat(out.get(b, t, h, 5))
                .as("row %d, position %d, head %d", b, t, h)
                .isCloseTo(wanted.get(b, 0, h, 5), within(1e-5));
          }
        }
        // One query after cached keys, in rows of different lengths.
        Tensor seen = Tensor.of(new long[] {t + 1, Math.min(t + 1, 300)});
        Tensor one = WindowedAttention.attention(q.slice(1, t, t + 1), k, v, seen, window);
        assertThat(one.get(0, 0, 1, 5)).isCloseTo(wanted.get(0, 0, 1, 5), within(1e-5));
      }
    }
  }

  @Test
  void refusesWhatDoesNotFit() {
    try (Scope _ = Scope.open()) {
      Tensor q = Tensor.zeros(1, 3, 4, 8);
      Tensor k = Tensor.zeros(1, 3, 3, 8);
      assertThatThrownBy(() -> WindowedAttention.attention(q, k, k, null, 2))
          .hasMessageContaining("[1, 3, 3, 8]");
      assertThatThrownBy(() -> WindowedAttention.attention(q, q, q, null, 0))
          .hasMessageContaining("a window of 0");
    }
  }
}
