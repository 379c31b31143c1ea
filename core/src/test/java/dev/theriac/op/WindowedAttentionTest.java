package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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

  private static void assertClose(String what, Tensor got, Tensor wanted, double tolerance) {
    float[] have = got.toFloats();
    float[] want = wanted.toFloats();
    assertThat(have).as(what).hasSameSizeAs(want);
    // Of a window of one the scores have no gradient.
    double largest = 0.1;
    for (float w : want) largest = Math.max(largest, Math.abs(w));
    for (int i = 0; i < have.length; i++) {
      assertThat((double) have[i])
          .as("%s, value %d", what, i)
          .isCloseTo(want[i], within(tolerance * largest));
    }
  }

  /**
   * Values and gradients beside those of products and a masked softmax, on each back end: texts
   * shorter than the window, of one block, of several and a rest, with keys before the queries.
   */
  @ParameterizedTest
  @CsvSource({
    "1, 3, 3",
    "2, 17, 17",
    "5, 4, 4",
    "9, 40, 51",
    "64, 64, 200",
    "130, 600, 600",
    "3, 1, 20",
    "600, 1300, 1300",
    "600, 700, 1300"
  })
  void valuesAndGradientsAreThoseOfAMask(int window, int queries, int keys) {
    for (Backend backend : Samples.backends()) {
      Backends.with(
          backend,
          () -> {
            try (Scope _ = Scope.open()) {
              Rng rng = new Rng(window + queries);
              Tensor q = Tensor.randn(rng, 1, 2, queries, 4, 5).requireGrad(true);
              Tensor k = Tensor.randn(rng, 1, 2, keys, 2, 5).requireGrad(true);
              Tensor v = Tensor.randn(rng, 1, 2, keys, 2, 5).requireGrad(true);
              Tensor weight = Tensor.randn(rng, 1, 2, queries, 4, 5);
              Tensor got = WindowedAttention.attention(q, k, v, null, window);
              Tensor wanted = DroppedAttention.attention(q, k, v, null, true, window, p -> p);
              assertClose("values", got, wanted, 5e-6);
              Gradients have = got.mul(weight).sum().backward();
              Gradients want = wanted.mul(weight).sum().backward();
              for (Tensor x : List.of(q, k, v)) {
                assertClose("gradient", have.get(x), want.get(x), 1e-5);
              }
            }
            return null;
          });
    }
  }

  /** What a query does not see may be anything: it reaches neither values nor gradients. */
  @Test
  void whatIsNotSeenDoesNotSpill() {
    try (Scope _ = Scope.open()) {
      Rng rng = new Rng(6);
      int window = 7;
      Tensor q = Tensor.randn(rng, 1, 1, 60, 2, 8);
      float[] keys = Tensor.randn(rng, 1, 1, 60, 2, 8).toFloats();
      Tensor v = Tensor.randn(rng, 1, 1, 60, 2, 8).requireGrad(true);
      for (int i = 20 * 16; i < 21 * 16; i++) keys[i] = i % 2 == 0 ? Float.NaN : 1e30f;
      Tensor k = Tensor.of(keys, 1, 60, 2, 8).requireGrad(true);
      Tensor out = WindowedAttention.attention(q, k, v, null, window);
      for (int t = 0; t < 60; t++) {
        boolean sees = t >= 20 && t < 20 + window;
        assertThat(Double.isNaN(out.get(0, t, 1, 3))).as("query %d", t).isEqualTo(sees);
      }
      Tensor far = out.slice(1, 20 + window, 60).sum();
      Gradients gradients = far.backward();
      for (int s = 20 + window; s < 60; s++) {
        assertThat(gradients.get(v).get(0, s, 0, 0)).as("value %d", s).isFinite();
      }
    }
  }

  @Test
  void bitsDoNotDependOnThreads() {
    int before = Workers.threads();
    try (Scope _ = Scope.open()) {
      Rng rng = new Rng(3);
      Tensor q = Tensor.randn(rng, 1, 1, 700, 4, 16).requireGrad(true);
      Tensor k = Tensor.randn(rng, 1, 1, 700, 2, 16).requireGrad(true);
      float[] values = null;
      float[] gradient = null;
      for (int threads : new int[] {1, 2, 5}) {
        Workers.setThreads(threads);
        Tensor out = WindowedAttention.attention(q, k, k, null, 150);
        float[] read = out.toFloats();
        Gradients g = out.mul(out).sum().backward();
        if (values != null) {
          assertThat(read).isEqualTo(values);
          assertThat(g.get(k).toFloats()).isEqualTo(gradient);
        }
        values = read;
        gradient = g.get(k).toFloats();
      }
    } finally {
      Workers.setThreads(before);
    }
  }

  /** Half types are widened, and views need not lie densely. */
  @Test
  void viewsAndHalfTypesAreTaken() {
    try (Scope _ = Scope.open()) {
      Rng rng = new Rng(5);
      Tensor all = Tensor.randn(rng, 1, 2, 40, 3, 2, 8).to(DType.BF16);
      Tensor q = all.select(2, 0);
      Tensor k = all.select(2, 1);
      Tensor v = all.select(2, 2);
      Tensor got = WindowedAttention.attention(q, k, v, null, 6);
      assertThat(got.dtype()).isEqualTo(DType.BF16);
      Tensor wanted =
          WindowedAttention.attention(
              q.to(DType.F32).contiguous(),
              k.to(DType.F32).contiguous(),
              v.to(DType.F32).contiguous(),
              null,
              6);
      assertThat(got.toFloats()).isEqualTo(wanted.to(DType.BF16).toFloats());
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
