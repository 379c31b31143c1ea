package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.nn.SelfAttention;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@ExtendWith(TensorScope.class)
class DroppedAttentionTest {
  private static void assertClose(String what, Tensor got, Tensor wanted) {
    float[] have = got.toFloats();
    float[] want = wanted.toFloats();
    assertThat(have).as(what).hasSameSizeAs(want);
    for (int i = 0; i < have.length; i++) {
      assertThat(have[i]).as("%s, value %d", what, i).isCloseTo(want[i], within(2e-5f));
    }
  }

  /** Probabilities that nobody changes give what the kernels give, and the same gradients. */
  @ParameterizedTest
  @CsvSource({"5, 5, true", "5, 9, true", "300, 300, true", "7, 4, false", "1, 6, false"})
  void unchangedItIsAttention(int queries, int keys, boolean causal) {
    Rng rng = new Rng(7);
    Tensor q = Tensor.randn(rng, 1, 2, queries, 4, 8).requireGrad(true);
    Tensor k = Tensor.randn(rng, 1, 2, keys, 2, 8).requireGrad(true);
    Tensor v = Tensor.randn(rng, 1, 2, keys, 2, 8).requireGrad(true);
    Tensor weight = Tensor.randn(rng, 1, 2, queries, 4, 8);
    Tensor lengths = causal ? null : Tensor.of(new long[] {keys, 3});
    List<Tensor> outs =
        List.of(
            Attention.attention(q, k, v, lengths, causal),
            DroppedAttention.attention(q, k, v, lengths, causal, 0, p -> p));
    assertClose("values", outs.get(1), outs.get(0));
    Gradients wanted = outs.get(0).mul(weight).sum().backward();
    Gradients got = outs.get(1).mul(weight).sum().backward();
    for (Tensor x : List.of(q, k, v)) assertClose("gradient", got.get(x), wanted.get(x));
  }

  /** What is changed weighs the values; what the mask hides is 0 before it is changed. */
  @Test
  void changedProbabilitiesWeighTheValues() {
    Rng rng = new Rng(8);
    Tensor q = Tensor.randn(rng, 1, 1, 6, 1, 4);
    Tensor k = Tensor.randn(rng, 1, 1, 6, 1, 4);
    Tensor v = Tensor.randn(rng, 1, 1, 6, 1, 4);
    List<Tensor> seen = new ArrayList<>();
    Rng drops = new Rng(9);
    Tensor out =
        DroppedAttention.attention(
            q,
            k,
            v,
            null,
            true,
            3,
            p -> {
              for (int t = 0; t < 6; t++) {
                for (int s = 0; s < 6; s++) {
                  boolean visible = s <= t && s > t - 3;
                  assertThat(p.get(0, 0, 0, t, s) > 0).as("%d sees %d", t, s).isEqualTo(visible);
                }
              }
              seen.add(Elementwise.dropout(p, 0.5, drops));
              return seen.getFirst();
            });
    Tensor wanted = seen.getFirst().reshape(6, 6).matmul(v.reshape(6, 4));
    assertClose("mixed", out.reshape(6, 4), wanted);
  }

  /** While training a layer draws, the same by the same seed; answering it does not. */
  @Test
  void layersDropWhileTraining() {
    var plain = new SelfAttention.Config(16, 2, 2, 8, true, true, "dense", true, 4, 10_000);
    var dropping =
        new SelfAttention.Config(
            plain.dim(),
            plain.heads(),
            plain.kvHeads(),
            plain.headDim(),
            true,
            true,
            "dense",
            true,
            4,
            10_000,
            plain.ropeScaling(),
            plain.queryKeyNorm(),
            0,
            0,
            0,
            0.5);
    Tensor x = Tensor.randn(new Rng(3), 1, 1, 8, 16);
    Tensor positions = Tensor.of(new long[] {0, 1, 2, 3, 4, 5, 6, 7}, 1, 8);
    SelfAttention a = new SelfAttention(plain, new Rng(4), 0.3, 0.3);
    SelfAttention b = new SelfAttention(dropping, new Rng(4), 0.3, 0.3);
    SelfAttention c = new SelfAttention(dropping, new Rng(4), 0.3, 0.3);
    assertThat(b.parameters().keySet()).isEqualTo(a.parameters().keySet());
    float[] wanted = a.forward(x, positions, null, null, 0).toFloats();
    double[] mean = new double[wanted.length];
    int draws = 400;
    for (int i = 0; i < draws; i++) {
      float[] one = b.forward(x, positions, null, null, 0).toFloats();
      assertThat(c.forward(x, positions, null, null, 0).toFloats()).isEqualTo(one);
      for (int j = 0; j < one.length; j++) mean[j] += one[j] / (double) draws;
    }
    double scale = 0;
    for (float w : wanted) scale = Math.max(scale, Math.abs(w));
    for (int j = 0; j < mean.length; j++) {
      assertThat(mean[j]).isCloseTo(wanted[j], within(0.2 * scale));
    }
    float[] again = b.forward(x, positions, null, null, 0).toFloats();
    assertThat(again).isNotEqualTo(b.forward(x, positions, null, null, 0).toFloats());
    b.train(false);
    assertThat(b.forward(x, positions, null, null, 0).toFloats()).isEqualTo(wanted);
    assertThat(Arrays.stream(mean).anyMatch(m -> m != 0)).isTrue();
  }
}
