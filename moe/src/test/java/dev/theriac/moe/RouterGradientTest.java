package dev.theriac.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.backend.Backend;
import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.RouterConfig.GroupScore;
import dev.theriac.moe.RouterConfig.Noise;
import dev.theriac.moe.RouterConfig.Scoring;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Gradients of routing weights: against differences of the definition in float64, and its zeros.
 */
class RouterGradientTest extends ScopedTest {
  private static final int T = 7;
  private static final int E = 6;

  private static List<RouterConfig> configs() {
    List<RouterConfig> all = new ArrayList<>();
    for (Scoring scoring : Scoring.values()) {
      for (Weighting weighting : Weighting.values()) {
        for (int k : new int[] {1, 2, E}) {
          var b = logits(E, k).scoring(scoring).weighting(weighting).allowSingleRenormalised();
          all.add(b.build());
          all.add(b.scale(2.5).correctionBias(true).build());
          if (k < E) all.add(b.groups(3, 2, GroupScore.TOP_TWO).build());
        }
      }
    }
    return all;
  }

  private static float[] gradient(Router router, Tensor u, Tensor g) {
    Tensor x = u.detach().requireGrad(true);
    try (Gradients found = router.route(x).weights().mul(g).sum().backward()) {
      return found.get(x).toFloats();
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  @DisplayName("G01 K11: central differences in every mode, for k of 1, 2 and E")
  void gradientsAgreeWithDifferences(Backend backend) {
    Tensor u = normal(3, T, E).mul(2);
    for (RouterConfig config : configs()) {
      Router router = identity(config);
      if (config.correctionBias()) router.correctionBias().set(normal(4, E).mul(0.2));
      int k = config.topK();
      Tensor g = normal(5, T, k);
      double[] up = doubles(g);
      long[] ids = router.route(u).experts().toLongs();
      double[] wanted =
          differences(
              doubles(u),
              1e-3,
              x -> {
                double sum = 0;
                for (int t = 0; t < T; t++) {
                  double[] l = Arrays.copyOfRange(x, E * t, E * t + E);
                  long[] chosen = Arrays.copyOfRange(ids, k * t, k * t + k);
                  double[] w = RouterOracle.weights(config, l, chosen);
                  for (int j = 0; j < k; j++) sum += up[k * t + j] * w[j];
                }
                return sum;
              });
      float[] got = on(backend, () -> gradient(router, u, g));
      if (k == 1 && config.weighting() == Weighting.RENORMALISED) {
        assertThat(got).as("K10, %s", config).containsOnly(0f);
      } else {
        assertClose(config.toString(), Tensor.of(got), wanted, 2e-5);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  @DisplayName("K10 K11: zero, sparse and dense gradients are where they belong, exactly")
  void zerosAreExact(Backend backend) {
    Tensor u = normal(3, T, E).mul(2);
    for (Scoring scoring : Scoring.values()) {
      for (int k : new int[] {1, 2, E}) {
        Tensor g = normal(6, T, k);
        var b = logits(E, k).scoring(scoring).allowSingleRenormalised();
        Router raw = identity(b.build());
        Router shared = identity(b.weighting(Weighting.RENORMALISED).build());
        long[] ids = raw.route(u).experts().toLongs();
        float[] dense = on(backend, () -> gradient(raw, u, g));
        float[] sparse = on(backend, () -> gradient(shared, u, g));
        for (int t = 0; t < T; t++) {
          for (int e = 0; e < E; e++) {
            long id = e;
            boolean chosen = Arrays.stream(ids, t * k, t * k + k).anyMatch(i -> i == id);
            String what = "%s, k = %d, token %d, expert %d".formatted(scoring, k, t, e);
            boolean some = chosen || scoring == Scoring.SOFTMAX;
            assertThat(dense[E * t + e] != 0).as(what).isEqualTo(some);
            assertThat(sparse[E * t + e] != 0).as(what).isEqualTo(chosen && k > 1);
          }
        }
      }
    }
  }

  @Test
  @DisplayName("K12: softmax, choice and division equal the softmax over what was chosen")
  void theCollapsedFormulaIsTheSame() {
    RouterConfig config = logits(E, 3).weighting(Weighting.RENORMALISED).build();
    Rng rng = new Rng(7);
    for (int round = 0; round < 200; round++) {
      double[] l = new double[E];
      for (int e = 0; e < E; e++) l[e] = 4 * rng.nextGaussian();
      long[] chosen = Arrays.stream(RouterOracle.choose(config, l, null)).asLongStream().toArray();
      double[] long3 = RouterOracle.weights(config, l, chosen);
      double[] of = Arrays.stream(chosen).mapToDouble(e -> l[(int) e]).toArray();
      double[] short3 = RouterOracle.scores(Scoring.SOFTMAX, of);
      for (int j = 0; j < 3; j++) {
        assertThat(Math.abs(short3[j] - long3[j])).isLessThan(1e-12);
      }
    }
  }

  @Test
  @DisplayName(
      "K14: replayed ids, even those that it would not choose, leave the router a gradient")
  void replayedIdsKeepTheGradient() {
    Tensor u = normal(3, T, E);
    for (Scoring scoring : Scoring.values()) {
      for (Weighting weighting : Weighting.values()) {
        Router router = identity(logits(E, 2).scoring(scoring).weighting(weighting).build());
        long[] worst = new long[2 * T];
        long[] order = identity(logits(E, E).scoring(scoring).build()).route(u).experts().toLongs();
        for (int t = 0; t < T; t++) {
          worst[2 * t] = order[E * t + E - 1];
          worst[2 * t + 1] = order[E * t + E - 2];
        }
        Tensor w = router.parameters().get("wg.weight").value();
        Routing r = router.replay(u, Tensor.of(worst, T, 2), null);
        assertThat(r.experts().toLongs()).isEqualTo(worst);
        for (double weight : doubles(r.weights())) assertThat(weight).isGreaterThan(0);
        Tensor grad = r.weights().mul(normal(8, T, 2)).sum().backward().get(w);
        assertThat(grad.mul(grad).sum().item()).isGreaterThan(1e-6f);
      }
    }
  }

  @Test
  void noBiasForTheChoiceGetsAGradient() {
    Router router = identity(logits(E, 2).scoring(Scoring.SIGMOID).correctionBias(true).build());
    router.train(path -> true);
    assertThat(router.correctionBias().trainable()).isFalse();
    Gradients found = router.route(normal(3, T, E)).weights().sum().backward();
    assertThat(found.get(router.correctionBias().value())).isNull();
    assertThat(found.get(router.parameters().get("wg.weight").value())).isNotNull();
  }

  @Test
  void learnedNoiseLearns() {
    RouterConfig config =
        logits(E, 2).weighting(Weighting.RENORMALISED).noise(new Noise.Learned()).build();
    Router router = identity(config);
    router.train(true);
    long at = router.position();
    Tensor u = normal(3, T, E);
    Tensor g = normal(4, T, 2);
    Tensor noise = router.parameters().get("w_noise.weight").value();
    Routing r = router.route(u);
    assertThat(r.noise().std().toFloats()).containsOnly((float) (Math.log(2) + 0.01));
    long[] ids = r.experts().toLongs();
    Tensor grad = r.weights().mul(g).sum().backward().get(noise);
    double[] wanted =
        differences(
            doubles(noise),
            1e-2,
            w -> {
              float[] moved = new float[w.length];
              for (int i = 0; i < moved.length; i++) moved[i] = (float) w[i];
              router.parameters().get("w_noise.weight").set(Tensor.of(moved, E, E));
              router.seek(at);
              Routing again = router.replay(u, Tensor.of(ids, T, 2), null);
              double sum = 0;
              double[] weights = doubles(again.weights());
              for (int i = 0; i < weights.length; i++) sum += weights[i] * doubles(g)[i];
              return sum;
            });
    assertClose("noise gradient", grad, wanted, 1e-3);
    assertThat(grad.mul(grad).sum().item()).isGreaterThan(1e-8f);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void softplusIsRightInItsTails(Backend backend) {
    float[] at = {-3e38f, -110, -104, -88, -20, -18, -1, 0, 1, 18, 20, 88, 104, 110, 3e38f};
    Tensor x = Tensor.of(at).requireGrad(true);
    Tensor y = on(backend, () -> RouterNoise.softplus(x));
    float[] values = y.toFloats();
    float[] slopes = on(backend, () -> y.sum().backward().get(x)).toFloats();
    for (int i = 0; i < at.length; i++) {
      double e = Math.exp(-Math.abs((double) at[i]));
      double value = Math.max(at[i], 0) + Math.log1p(e);
      double slope = at[i] < 0 ? e / (1 + e) : 1 / (1 + e);
      assertThat(values[i]).as("softplus(%s)", at[i]).isEqualTo((float) value);
      assertThat(slopes[i]).as("slope at %s", at[i]).isEqualTo((float) slope);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void extremeNoiseScalesKeepTheLoadFinite(Backend backend) {
    RouterConfig config = logits(E, 2).noise(new Noise.Learned()).build();
    for (float scale : new float[] {-110, -20, 20, 110}) {
      Router router = identity(config);
      router.train(true);
      router.parameters().get("w_noise.weight").set(Tensor.full(scale / E, DType.F32, E, E));
      Tensor noise = router.parameters().get("w_noise.weight").value();
      Tensor x = Tensor.ones(T, E).requireGrad(true);
      Routing r = on(backend, () -> router.route(x));
      for (float std : r.noise().std().toFloats()) {
        assertThat((double) std).isCloseTo(Math.max(scale, 0) + 0.01, within(1e-4));
      }
      Tensor loss = on(backend, () -> Losses.load(r).add(r.weights().sum()));
      assertThat(loss.item()).as("load at %s", scale).isFinite();
      Gradients found = on(backend, loss::backward);
      for (float g : found.get(x).toFloats()) assertThat(g).as("at %s", scale).isFinite();
      for (float g : found.get(noise).toFloats()) assertThat(g).as("at %s", scale).isFinite();
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void cosineGradientsAgreeWithDifferences(Backend backend) {
    RouterConfig config =
        RouterConfig.builder(5, E, 2).weighting(Weighting.RENORMALISED).cosine(3, 0.5).build();
    Router router = new Router(config, new Rng(2));
    Tensor u = normal(3, T, 5);
    Tensor g = normal(4, T, 2);
    long[] ids = router.route(u).experts().toLongs();
    Gradients found =
        on(
            backend,
            () -> router.replay(u, Tensor.of(ids, T, 2), null).weights().mul(g).sum().backward());
    router
        .parameters()
        .forEach((path, p) -> {
          Tensor value = p.value();
          double[] wanted =
              differences(
                  doubles(value),
                  path.endsWith("sim_matrix") ? 1e-4 : 1e-2,
                  w -> {
                    float[] moved = new float[w.length];
                    for (int i = 0; i < moved.length; i++) moved[i] = (float) w[i];
                    p.set(Tensor.of(moved, value.shape()));
                    double[] weights =
                        doubles(router.replay(u, Tensor.of(ids, T, 2), null).weights());
                    double sum = 0;
                    for (int i = 0; i < weights.length; i++) sum += weights[i] * doubles(g)[i];
                    return sum;
                  });
          p.set(value);
          assertClose(path, found.get(value), wanted, 4e-3);
        });
  }
}
