package dev.theriac.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.UnaryKind;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.DenseFeedForward;
import dev.theriac.llm.FeedForward;
import dev.theriac.moe.ExpertChoice.Choice;
import dev.theriac.moe.ExpertChoice.Use;
import dev.theriac.moe.RouterConfig.Scoring;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.RowGroups;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ExpertChoiceTest extends ScopedTest {
  private static ExpertChoice choice(int experts, double factor) {
    return new ExpertChoice(6, experts, factor, Use.NON_CAUSAL, new Rng(3));
  }

  @ParameterizedTest
  @MethodSource("backends")
  void eachExpertTakesItsBestTokens(Backend backend) {
    ExpertChoice router = choice(5, 2);
    Tensor u = normal(4, 13, 6);
    TokenMask mask =
        TokenMask.of(
            new boolean[] {
              true, true, false, true, true, true, true, true, true, false, true, true, true
            },
            1,
            13);
    for (TokenMask m : new TokenMask[] {null, TokenMask.all(1, 13), mask}) {
      Choice c = on(backend, () -> router.route(u, m));
      int places = (int) Math.ceil(2.0 * (m == null ? 13 : m.count()) / 5);
      assertThat(c.tokens().shape()).containsExactly(5, places);
      assertThat(c.groups().counts()).containsOnly(places);
      double[] l = doubles(c.logits());
      double[][] p = new double[13][];
      for (int t = 0; t < 13; t++) {
        p[t] = RouterOracle.scores(Scoring.SOFTMAX, Arrays.copyOfRange(l, 5 * t, 5 * t + 5));
      }
      for (int e = 0; e < 5; e++) {
        int expert = e;
        List<Integer> best =
            IntStream.range(0, 13)
                .boxed()
                .filter(t -> m == null || m.isValid(t))
                .sorted(Comparator.comparingDouble(t -> -p[t][expert]))
                .limit(places)
                .toList();
        for (int i = 0; i < places; i++) {
          assertThat(c.tokens().get(e, i)).isEqualTo(best.get(i).doubleValue());
          double error = c.weights().get(e, i) - p[best.get(i)][e];
          assertThat(Math.abs(error)).isLessThan(1e-6);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void equalScoresGoToTheEarlierToken(Backend backend) {
    Choice c = on(backend, () -> choice(2, 1).route(Tensor.ones(6, 6), null));
    assertThat(c.tokens().toLongs()).containsExactly(0, 1, 2, 0, 1, 2);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aTokenIsTheSumOverTheExpertsThatTookIt(Backend backend) {
    ExpertChoice router = choice(3, 1.5);
    Experts experts =
        Experts.fresh(
            new Experts.Shape(3, 6, 5, true, false, UnaryKind.SILU), DType.F32, new Rng(8), 0.5);
    Tensor u = normal(4, 7, 6);
    Choice c = router.route(u, null);
    Tensor y = on(backend, () -> experts.forward(u, c.weights(), c.groups()));
    double[] wanted = new double[42];
    for (int e = 0; e < 3; e++) {
      Tensor everyToken = Tensor.of(new long[] {e, e, e, e, e, e, e}, 7, 1);
      double[] of = doubles(experts.forward(u, Tensor.ones(7, 1), RowGroups.of(everyToken, 3)));
      for (int i = 0; i < c.tokens().size(1); i++) {
        int t = (int) c.tokens().get(e, i);
        for (int d = 0; d < 6; d++) wanted[6 * t + d] += c.weights().get(e, i) * of[6 * t + d];
      }
    }
    assertClose("expert choice", y, wanted, 1e-5);
  }

  private static ExpertChoiceLayer layer(double factor, boolean withShared) {
    Experts experts =
        Experts.fresh(
            new Experts.Shape(3, 6, 5, true, false, UnaryKind.SILU), DType.F32, new Rng(8), 0.5);
    var dense = new DenseFeedForward(Family.STABLELM, 6, 4, new Rng(9), 0.6);
    return new ExpertChoiceLayer(
        choice(3, factor), experts, withShared ? new SharedExpert.Added(dense) : null);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void layersJoinWhatExpertsChoseWithTheSharedOne(Backend backend) {
    boolean[] valid = {true, true, true, true, true, true, true, false};
    TokenMask mask = TokenMask.of(valid, 2, 4);
    for (boolean withShared : new boolean[] {false, true}) {
      ExpertChoiceLayer layer = layer(1, withShared);
      Tensor u = normal(4, 2, 4, 6);
      Tensor x = u.detach().requireGrad(true);
      FeedForward.Output out = on(backend, () -> layer.forward(x, mask));
      Choice c = ((ExpertChoiceLayer.Side) out.side()).choice();
      assertThat(c.tokens().shape()).containsExactly(3, 3);
      assertThat(c.tokens().toLongs()).doesNotContain(7);
      Tensor flat = u.reshape(8, 6);
      double[] wanted = new double[48];
      if (withShared) wanted = doubles(layer.shared().feedForward().forward(flat).value());
      boolean[] taken = new boolean[8];
      for (int e = 0; e < 3; e++) {
        Tensor all = Tensor.of(new long[] {e, e, e, e, e, e, e, e}, 8, 1);
        Tensor of = layer.experts().forward(flat, Tensor.ones(8, 1), RowGroups.of(all, 3));
        for (int i = 0; i < 3; i++) {
          int t = (int) c.tokens().get(e, i);
          taken[t] = true;
          for (int d = 0; d < 6; d++) {
            wanted[6 * t + d] += c.weights().get(e, i) * doubles(of)[6 * t + d];
          }
        }
      }
      assertThat(taken).contains(false);
      assertThat(out.value().shape()).containsExactly(2, 4, 6);
      assertClose("layer", out.value(), wanted, 1e-5);
      float[] y = out.value().toFloats();
      for (int t = 0; t < 8; t++) {
        if (!taken[t] && !withShared) {
          assertThat(Arrays.copyOfRange(y, 6 * t, 6 * t + 6)).containsOnly(0);
        }
      }
      Tensor g = normal(6, 2, 4, 6);
      double[] up = doubles(g);
      float[] got = on(backend, () -> out.value().mul(g).sum().backward().get(x)).toFloats();
      double[] slopes =
          differences(
              doubles(u),
              1e-2,
              v -> {
                float[] moved = new float[v.length];
                for (int i = 0; i < v.length; i++) moved[i] = (float) v[i];
                double[] values = doubles(layer.forward(Tensor.of(moved, 2, 4, 6), mask).value());
                double sum = 0;
                for (int i = 0; i < values.length; i++) sum += up[i] * values[i];
                return sum;
              });
      assertClose("layer gradient", Tensor.of(got), slopes, 5e-3);
    }
  }

  @Test
  void layersReportAndRefuse() {
    ExpertChoiceLayer layer = layer(1, false);
    float[] u = normal(4, 4, 6).toFloats();
    u[7] = Float.NaN;
    FeedForward.Output out = layer.forward(Tensor.of(u, 1, 4, 6));
    assertThat(((ExpertChoiceLayer.Side) out.side()).unusable()).containsExactly(1);
    TokenMask filling = TokenMask.of(new boolean[] {true, false, true, true}, 1, 4);
    out = layer.forward(Tensor.of(u, 1, 4, 6), filling);
    assertThat(((ExpertChoiceLayer.Side) out.side()).unusable()).isEmpty();
    assertThat(layer.parameters().keySet()).anyMatch(path -> path.startsWith("gate.wg"));
    assertThatThrownBy(() -> new ExpertChoiceLayer(choice(4, 1), layer.experts(), null))
        .hasMessageContaining("4 experts, there are 3");
    Tensor ids = Tensor.of(new long[4], 4, 1);
    assertThatThrownBy(
            () -> layer.forward(Tensor.of(u, 1, 4, 6), filling, new MoeLayer.Replay(ids)))
        .hasMessageContaining("takes no Replay");
  }

  @Test
  void weightsPassAGradient() {
    ExpertChoice router = choice(3, 1);
    Tensor u = normal(5, 7, 6).requireGrad(true);
    Choice c = router.route(u, null);
    long[] tokens = c.tokens().toLongs();
    Tensor g = normal(6, c.weights().shape());
    double[] up = doubles(g);
    Tensor grad = c.weights().mul(g).sum().backward().get(u);
    double[] w = doubles(router.parameters().get("wg.weight").value());
    double[] wanted =
        differences(
            doubles(u),
            1e-3,
            x -> {
              double sum = 0;
              for (int i = 0; i < tokens.length; i++) {
                double[] l = new double[3];
                for (int e = 0; e < 3; e++) {
                  for (int j = 0; j < 6; j++) l[e] += w[6 * e + j] * x[(int) tokens[i] * 6 + j];
                }
                sum += up[i] * RouterOracle.scores(Scoring.SOFTMAX, l)[i / (tokens.length / 3)];
              }
              return sum;
            });
    assertClose("expert choice gradient", grad, wanted, 2e-5);
  }

  @Test
  void nobodyToChooseLeavesPlacesEmpty() {
    TokenMask none = TokenMask.ofLengths(Tensor.of(new long[] {0}, 1), 4);
    for (Choice c :
        List.of(
            choice(3, 1).route(normal(1, 4, 6), none),
            choice(3, 1).route(Tensor.zeros(0, 6), null))) {
      assertThat(c.tokens().toLongs()).containsOnly(-1);
      assertThat(c.groups().rows()).isZero();
    }
    assertThat(choice(3, 100).capacity(4)).isEqualTo(4);
  }

  @Test
  void refusesCausalModels() {
    assertThatThrownBy(() -> new ExpertChoice(6, 3, 1, Use.CAUSAL, new Rng(0)))
        .hasMessageContaining("later tokens")
        .hasMessageContaining("NON_CAUSAL");
    assertThatThrownBy(() -> new ExpertChoice(6, 3, 0, Use.NON_CAUSAL, new Rng(0)))
        .hasMessageContaining("factor 0.0");
    assertThatThrownBy(() -> choice(3, 1).route(normal(1, 4, 6), TokenMask.all(1, 3)))
        .hasMessageContaining("1 x 3")
        .hasMessageContaining("[4, 6]");
  }
}
