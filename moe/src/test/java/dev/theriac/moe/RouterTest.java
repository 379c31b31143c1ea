package dev.theriac.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.Workers;
import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.RouterConfig.GroupScore;
import dev.theriac.moe.RouterConfig.Noise;
import dev.theriac.moe.RouterConfig.Scoring;
import dev.theriac.nn.TokenMask;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What routers choose and how they weight it, against loops in float64. */
class RouterTest extends ScopedTest {
  private static final float NAN = Float.NaN;
  private static final float INF = Float.POSITIVE_INFINITY;

  static List<RouterConfig> configs() {
    List<RouterConfig> all = new ArrayList<>();
    for (Scoring scoring : Scoring.values()) {
      for (Weighting weighting : Weighting.values()) {
        for (int k : new int[] {1, 2, 6, 12}) {
          var b = logits(12, k).scoring(scoring).weighting(weighting).allowSingleRenormalised();
          all.add(b.build());
          all.add(b.scale(2.5).correctionBias(true).build());
          if (k > 6) continue;
          for (GroupScore score : GroupScore.values()) {
            all.add(b.groups(4, 2, score).build());
            all.add(b.correctionBias(false).groups(4, 3, score).build());
          }
        }
      }
    }
    return all;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void everyModeAgreesWithItsDefinition(Backend backend) {
    Tensor u = normal(3, 57, 12).mul(3);
    double[] x = doubles(u);
    for (RouterConfig config : configs()) {
      Router router = identity(config);
      double[] bias = null;
      if (config.correctionBias()) {
        Tensor b = normal(4, 12);
        router.correctionBias().set(b);
        bias = doubles(b);
      }
      Routing r = on(backend, () -> router.route(u));
      long[] ids = r.experts().toLongs();
      int k = config.topK();
      double[] wanted = new double[57 * k];
      for (int t = 0; t < 57; t++) {
        double[] l = Arrays.copyOfRange(x, 12 * t, 12 * t + 12);
        long[] chosen = Arrays.copyOfRange(ids, t * k, t * k + k);
        assertThat(chosen)
            .as("%s, token %d", config, t)
            .isEqualTo(
                Arrays.stream(RouterOracle.choose(config, l, bias)).asLongStream().toArray());
        System.arraycopy(RouterOracle.weights(config, l, chosen), 0, wanted, t * k, k);
      }
      assertClose(config.toString(), r.weights(), wanted, 1e-6);
      assertThat(r.unusable()).isEmpty();
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  @DisplayName("K01 K03 K04 K05: ties, negative logits, zeros of both signs, denormals: lowest id")
  void tiesGoToTheLowestId(Backend backend) {
    Tensor u =
        Tensor.of(
            new float[] {
              1,
              2,
              2,
              2, //
              -9,
              -3,
              -3,
              -4,
              -0f,
              0f,
              -0f,
              0f,
              0,
              Float.MIN_VALUE,
              Float.MIN_VALUE,
              -Float.MIN_VALUE,
              -3e38f,
              -3e38f,
              -3e38f,
              -3e38f
            },
            5,
            4);
    for (Scoring scoring : Scoring.values()) {
      for (int threads : new int[] {1, 2, 7}) {
        int before = Workers.threads();
        Workers.setThreads(threads);
        try {
          Router router = identity(logits(4, 2).scoring(scoring).build());
          assertThat(on(backend, () -> router.route(u)).experts().toLongs())
              .containsExactly(1, 2, 1, 2, 0, 1, 1, 2, 0, 1);
        } finally {
          Workers.setThreads(before);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  @DisplayName("K02: NaN and infinities give distinct ids in range, and the row is reported")
  void rowsThatDecideNothingAreReported(Backend backend) {
    float[] rows = {
      1, NAN, 2, 0, //
      NAN, NAN, NAN, NAN, 0, INF, 1, 2, -INF, -INF, -INF, -INF, -INF, 1, -INF, -INF, NAN, INF, -INF,
      0, 1, 2, 3, 4
    };
    for (Scoring scoring : Scoring.values()) {
      for (Weighting weighting : Weighting.values()) {
        for (boolean bias : new boolean[] {false, true}) {
          for (int groups : new int[] {1, 2}) {
            RouterConfig config =
                logits(4, 2)
                    .scoring(scoring)
                    .weighting(weighting)
                    .correctionBias(bias)
                    .groups(groups, 1, GroupScore.TOP_TWO)
                    .build();
            // Through a product every other column would become NaN: logits are given instead.
            Routing r = on(backend, () -> routing(config, Tensor.of(rows, 7, 4)));
            assertThat(r.unusable()).as("%s", config).containsExactly(0, 1, 2, 3, 5);
            long[] ids = r.experts().toLongs();
            for (int t = 0; t < 7; t++) {
              assertThat(ids[2 * t]).isBetween(0L, 3L).isNotEqualTo(ids[2 * t + 1]);
              assertThat(ids[2 * t + 1]).isBetween(0L, 3L);
            }
            if (groups == 1 && scoring == Scoring.SOFTMAX || !bias && groups == 1) {
              assertThat(ids).containsExactly(2, 0, 0, 1, 1, 3, 0, 1, 1, 0, 1, 3, 3, 2);
            }
            // The better of the two groups holds no NaN, whatever decides.
            if (groups == 2) assertThat(ids).startsWith(2, 3);
          }
        }
      }
    }
    TokenMask mask = TokenMask.ofLengths(Tensor.of(new long[] {2}, 1), 7);
    RouterConfig config = logits(4, 2).build();
    assertThat(routing(config, Tensor.of(rows, 7, 4), mask).unusable()).containsExactly(0, 1);
  }

  @ParameterizedTest
  @MethodSource("backends")
  @DisplayName("K02: of one NaN among logits only its own expert comes last, whatever decides")
  void nanComesLastEverywhere(Backend backend) {
    for (Scoring scoring : Scoring.values()) {
      for (boolean bias : new boolean[] {false, true}) {
        for (int nan = 0; nan < 6; nan++) {
          float[] row = {3, 1, 5, 0, 2, 4};
          row[nan] = NAN;
          int[] order = {2, 5, 0, 4, 1, 3};
          int last = nan;
          long[] wanted =
              Stream.concat(Arrays.stream(order).boxed().filter(e -> e != last), Stream.of(last))
                  .mapToLong(e -> e)
                  .toArray();
          RouterConfig config = logits(6, 6).scoring(scoring).correctionBias(bias).build();
          Routing r = on(backend, () -> routing(config, Tensor.of(row, 1, 6)));
          assertThat(r.experts().toLongs()).as("%s", config).isEqualTo(wanted);
          assertThat(r.unusable()).containsExactly(0);
          // Two of three groups by the sum of both scores: the one with NaN is left out.
          RouterConfig grouped =
              logits(6, 4)
                  .scoring(scoring)
                  .correctionBias(bias)
                  .groups(3, 2, GroupScore.TOP_TWO)
                  .build();
          Routing g = on(backend, () -> routing(grouped, Tensor.of(row, 1, 6)));
          for (long id : g.experts().toLongs()) assertThat(id / 2).isNotEqualTo(nan / 2);
        }
      }
    }
  }

  @Test
  @DisplayName("K02: a NaN in the correction bias is reported for every token")
  void nanInTheBiasIsReported() {
    for (Scoring scoring : Scoring.values()) {
      Router router = identity(logits(4, 2).scoring(scoring).correctionBias(true).build());
      router.correctionBias().set(Tensor.of(new float[] {0, NAN, 0, 0}, 4));
      Tensor u = normal(1, 3, 4);
      assertThat(router.route(u).unusable()).containsExactly(0, 1, 2);
      TokenMask mask = TokenMask.of(new boolean[] {true, false, true}, 1, 3);
      assertThat(router.route(u, mask).unusable()).containsExactly(0, 2);
    }
  }

  private static Routing routing(RouterConfig config, Tensor logits) {
    return routing(config, logits, null);
  }

  private static Routing routing(RouterConfig config, Tensor logits, TokenMask mask) {
    return new Router(config, new Rng(1)).routing(logits, null, null, mask, false);
  }

  @ParameterizedTest
  @MethodSource("backends")
  @DisplayName("K06: a bias of 12 chooses an expert of score 1e-8 and leaves its weight exact")
  void biasDoesNotTouchWeights(Backend backend) {
    Router router = identity(logits(4, 1).scoring(Scoring.SIGMOID).correctionBias(true).build());
    router.correctionBias().set(Tensor.of(new float[] {0, 12, 0, 0}));
    float small = (float) Math.log(1e-8);
    Tensor u = Tensor.of(new float[] {3, small, 2, 1}, 1, 4);
    Routing r = on(backend, () -> router.route(u));
    Routing plain =
        on(backend, () -> identity(logits(4, 4).scoring(Scoring.SIGMOID).build()).route(u));
    assertThat(r.experts().toLongs()).containsExactly(1);
    assertThat(r.weights().item())
        .isEqualTo(plain.weights().toFloats()[3])
        .isCloseTo(1e-8f, within(1e-13f));
    assertThat(r.selectionScores().get(0, 1)).isEqualTo(12);
    assertThat(r.scores().get(0, 1)).isEqualTo((double) r.weights().item());
  }

  @ParameterizedTest
  @MethodSource("backends")
  @DisplayName("K07: with negative biases no expert outside of the kept groups is chosen")
  void negativeBiasesStayInsideTheGroups(Backend backend) {
    RouterConfig config =
        logits(6, 2)
            .scoring(Scoring.SIGMOID)
            .correctionBias(true)
            .groups(3, 1, GroupScore.TOP_TWO)
            .build();
    Router router = identity(config);
    router.correctionBias().set(Tensor.of(new float[] {-5, -5, -3, -3, -4, -4}));
    Tensor u = Tensor.of(new float[] {9, 9, -9, -9, 0, 0}, 1, 6);
    assertThat(on(backend, () -> router.route(u)).experts().toLongs()).containsExactly(2, 3);
  }

  @ParameterizedTest
  @MethodSource("backends")
  @DisplayName("K08: groups of one expert, and all groups kept, limit nothing")
  void groupsOfOneLimitNothing(Backend backend) {
    Tensor u = normal(5, 40, 8);
    for (GroupScore score : GroupScore.values()) {
      for (Scoring scoring : Scoring.values()) {
        RouterConfig free = logits(8, 3).scoring(scoring).build();
        RouterConfig ones = logits(8, 3).scoring(scoring).groups(8, 8, score).build();
        RouterConfig all = logits(8, 3).scoring(scoring).groups(2, 2, score).build();
        RouterConfig exact = logits(8, 3).scoring(scoring).groups(8, 3, score).build();
        long[] wanted = on(backend, () -> identity(free).route(u)).experts().toLongs();
        for (RouterConfig config : List.of(ones, all, exact)) {
          assertThat(on(backend, () -> identity(config).route(u)).experts().toLongs())
              .as("%s", config)
              .isEqualTo(wanted);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  @DisplayName("K09: sigmoids that all vanish still share the weight")
  void vanishingSigmoidsShareTheWeight(Backend backend) {
    RouterConfig config =
        logits(3, 2).scoring(Scoring.SIGMOID).weighting(Weighting.RENORMALISED).build();
    Tensor u = Tensor.of(new float[] {-40, -40, -50, -120, -300, -120}, 2, 3);
    Routing r = on(backend, () -> identity(config).route(u));
    assertThat(r.weights().toFloats()).containsExactly(0.5f, 0.5f, 0.5f, 0.5f);
    assertThat(r.probabilities().sum(1, false).toFloats()).containsExactly(1, 1);
  }

  @Test
  @DisplayName("K10: k = 1 with renormalisation must be asked for by name")
  void singleRenormalisedWeightsMustBeAllowed() {
    assertThatThrownBy(() -> logits(4, 1).weighting(Weighting.RENORMALISED).build())
        .hasMessageContaining("no gradient")
        .hasMessageContaining("allowSingleRenormalised");
    RouterConfig allowed =
        logits(4, 1).weighting(Weighting.RENORMALISED).allowSingleRenormalised().build();
    assertThat(identity(allowed).route(normal(1, 5, 4)).weights().toFloats()).containsOnly(1);
  }

  @Test
  @DisplayName("K13: noise and jitter are drawn in training alone, and can be repeated")
  void evaluationIsFreeOfNoise() {
    RouterConfig plain = RouterConfig.builder(6, 5, 2).build();
    RouterConfig jitter = RouterConfig.builder(6, 5, 2).jitter(0.5).build();
    RouterConfig noise = RouterConfig.builder(6, 5, 2).noise(new Noise.Constant(2)).build();
    RouterConfig learned = RouterConfig.builder(6, 5, 2).noise(new Noise.Learned()).build();
    Tensor u = normal(2, 33, 6);
    float[] clean = new Router(plain, new Rng(9)).route(u).logits().toFloats();
    for (RouterConfig config : List.of(jitter, noise, learned)) {
      Router router = new Router(config, new Rng(9));
      assertThat(router.isTraining()).isTrue();
      long start = router.position();
      float[] first = router.route(u).logits().toFloats();
      assertThat(first).isNotEqualTo(clean);
      assertThat(router.route(u).logits().toFloats()).isNotEqualTo(first);
      router.seek(start);
      assertThat(router.route(u).logits().toFloats()).isEqualTo(first);
      router.train(false);
      long before = router.position();
      Routing evaluated = router.route(u);
      assertThat(evaluated.logits().toFloats()).isEqualTo(clean);
      assertThat(evaluated.training()).isFalse();
      assertThat(router.position()).isEqualTo(before);
      Rng shared = new Rng(9);
      Router one = new Router(config, shared);
      Router other = new Router(config, shared);
      other.parameters().forEach((path, p) -> p.set(one.parameters().get(path).value()));
      assertThat(one.route(u).logits().toFloats()).isEqualTo(first);
      assertThat(other.route(u).logits().toFloats()).as("the next layer's").isNotEqualTo(first);
      Router copy = router.copy();
      copy.train(true);
      assertThat(copy.route(u).logits().toFloats()).as("its own stream").isNotEqualTo(first);
      copy.train(false);
      assertThat(copy.route(u).logits().toFloats()).isEqualTo(clean);
    }
  }

  @Test
  void theNoiseOfACopyIsAFunctionOfItsNumber() {
    RouterConfig config = RouterConfig.builder(6, 5, 2).noise(new Noise.Constant(2)).build();
    Router router = new Router(config, new Rng(9));
    Tensor u = normal(2, 33, 6);
    List<float[]> named = new ArrayList<>();
    for (long n : new long[] {3, 1, 2}) named.add(router.copy(n).route(u).logits().toFloats());
    List<float[]> counted = new ArrayList<>();
    counted.add(router.copy().route(u).logits().toFloats());
    counted.add(router.with(1, Weighting.PROBABILITY).route(u).logits().toFloats());
    counted.add(router.copy().route(u).logits().toFloats());
    assertThat(counted.get(0)).isEqualTo(named.get(1)).isNotEqualTo(counted.get(1));
    assertThat(counted.get(1)).isEqualTo(named.get(2)).isNotEqualTo(counted.get(2));
    assertThat(counted.get(2)).isEqualTo(named.get(0));
    assertThatThrownBy(() -> router.copy(0)).hasMessageContaining("copy 0");
  }

  @Test
  void noiseHasItsDistribution() {
    Rng rng = new Rng(3);
    rng.nextInt(); // draws begin at a whole block wherever the generator stands
    Tensor normal = RouterNoise.normal(rng, 301, 100);
    assertThat(normal.mean().item()).isCloseTo(0, within(0.02f));
    assertThat(normal.mul(normal).mean().item()).isCloseTo(1, within(0.02f));
    float[] uniform = RouterNoise.uniform(rng, 0.75, 1.25, 301, 100).toFloats();
    double sum = 0;
    for (float v : uniform) {
      assertThat(v).isBetween(0.75f, 1.25f);
      sum += v;
    }
    assertThat(sum / uniform.length).isCloseTo(1, within(0.005));
    assertThat(RouterNoise.normal(rng, 5).toFloats())
        .isNotEqualTo(RouterNoise.normal(rng, 5).toFloats());
  }

  @Test
  @DisplayName("D02: noise does not depend on the number of threads")
  void noiseIsTheSameForAnyNumberOfThreads() {
    int before = Workers.threads();
    try {
      Workers.setThreads(1);
      float[] normal = RouterNoise.normal(new Rng(3), 301, 100).toFloats();
      float[] uniform = RouterNoise.uniform(new Rng(3), 0, 1, 301, 100).toFloats();
      for (int threads : new int[] {2, 7}) {
        Workers.setThreads(threads);
        assertThat(RouterNoise.normal(new Rng(3), 301, 100).toFloats()).isEqualTo(normal);
        assertThat(RouterNoise.uniform(new Rng(3), 0, 1, 301, 100).toFloats()).isEqualTo(uniform);
      }
    } finally {
      Workers.setThreads(before);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void cosineLogitsAreCosinesOverTheTemperature(Backend backend) {
    Router router = new Router(RouterConfig.builder(7, 5, 2).cosine(3, 0.25).build(), new Rng(4));
    Tensor u = normal(6, 9, 7);
    Map<String, double[]> w = new HashMap<>();
    router.parameters().forEach((path, p) -> w.put(path, doubles(p.value())));
    assertThat(w.keySet())
        .containsExactlyInAnyOrder(
            "wg.cosine_projector.weight",
            "wg.cosine_projector.bias",
            "wg.sim_matrix",
            "wg.temperature");
    double[] x = doubles(u);
    double[] wanted = new double[45];
    for (int t = 0; t < 9; t++) {
      double[] z = w.get("wg.cosine_projector.bias").clone();
      double length = 0;
      for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 7; j++) {
          z[i] += w.get("wg.cosine_projector.weight")[7 * i + j] * x[7 * t + j];
        }
        length += z[i] * z[i];
      }
      for (int e = 0; e < 5; e++) {
        double dot = 0;
        double size = 0;
        for (int i = 0; i < 3; i++) {
          double s = w.get("wg.sim_matrix")[5 * i + e];
          dot += z[i] * s;
          size += s * s;
        }
        wanted[5 * t + e] = dot / Math.sqrt(length * size) / 0.25;
      }
    }
    assertClose("cosines", on(backend, () -> router.route(u)).logits(), wanted, 1e-5);
    router.parameters().get("wg.temperature").set(Tensor.of(new float[] {50}));
    float[] bounded = router.route(u).logits().toFloats();
    for (int i = 0; i < 45; i++) {
      assertThat((double) bounded[i]).isCloseTo(wanted[i] * 0.25 * 100, within(2e-3));
    }
  }

  @Test
  @DisplayName("K15: k > E and k < 1 are exceptions, as is all else that does not fit")
  void refusesWhatDoesNotFit() {
    assertThatThrownBy(() -> logits(4, 5).build()).hasMessageContaining("top-k 5 of 4");
    assertThatThrownBy(() -> logits(4, 0).build()).hasMessageContaining("top-k 0 of 4");
    assertThatThrownBy(() -> new Router(8, 4, 5, Weighting.PROBABILITY, new Rng(0)))
        .hasMessageContaining("top-k 5 of 4");
    assertThatThrownBy(() -> logits(6, 3).groups(3, 1, GroupScore.MAX).build())
        .hasMessageContaining("k = 3")
        .hasMessageContaining("1 of 3 groups of 2");
    assertThatThrownBy(() -> logits(6, 1).groups(4, 1, GroupScore.MAX).build())
        .hasMessageContaining("4 equal groups");
    assertThatThrownBy(() -> logits(6, 1).scale(0).build()).hasMessageContaining("scale 0.0");
    assertThatThrownBy(() -> logits(6, 1).jitter(1).build()).hasMessageContaining("jitter 1.0");
    assertThatThrownBy(() -> logits(6, 1).cosine(2, 0).build()).hasMessageContaining("cosines");
    Router router = identity(logits(4, 2).build());
    assertThatThrownBy(() -> router.route(Tensor.zeros(3, 5)))
        .hasMessageContaining("[3, 5]")
        .hasMessageContaining("[T, 4]");
    assertThatThrownBy(() -> router.replay(Tensor.zeros(3, 4), Tensor.of(new long[3], 3, 1), null))
        .hasMessageContaining("[3, 1]")
        .hasMessageContaining("[3, 2]");
    assertThatThrownBy(() -> router.route(Tensor.zeros(3, 4), TokenMask.all(2, 2)))
        .hasMessageContaining("2 x 2")
        .hasMessageContaining("3 tokens");
  }

  @Test
  @DisplayName("K16: scalar and vector code choose alike for 10^5 rows with crafted ties")
  void backEndsChooseAlike() {
    Rng rng = new Rng(11);
    float[] values = new float[100_000 * 8];
    for (int i = 0; i < values.length; i++) {
      boolean coarse = i / 8 % 2 == 0;
      values[i] = coarse ? rng.nextInt(6) * 0.5f - 2 : (float) rng.nextGaussian();
    }
    Tensor l = Tensor.of(values, 100_000, 8);
    for (RouterConfig config :
        List.of(
            logits(8, 2).build(),
            logits(8, 3).groups(4, 2, GroupScore.MAX).build(),
            logits(8, 2).scoring(Scoring.SIGMOID).build())) {
      long[] scalar =
          Backends.with(Backends.scalar(), () -> routing(config, l)).experts().toLongs();
      long[] vector =
          Backends.with(Backends.cpu().backend(), () -> routing(config, l)).experts().toLongs();
      assertThat(Arrays.equals(scalar, vector)).as("%s", config).isTrue();
    }
  }

  @Test
  @DisplayName("D02 D03 D04: threads, batch and order of tokens change no bit of a token's routing")
  void tokensAreRoutedAlone() {
    Router router = new Router(40, 9, 3, Weighting.RENORMALISED, new Rng(5));
    Tensor u = normal(8, 130, 40);
    Routing whole = router.route(u);
    float[] weights = whole.weights().toFloats();
    long[] ids = whole.experts().toLongs();
    int before = Workers.threads();
    try {
      for (int threads : new int[] {1, 2, 7}) {
        Workers.setThreads(threads);
        assertThat(router.route(u).weights().toFloats()).isEqualTo(weights);
        for (int t : new int[] {0, 17, 129}) {
          Routing alone = router.route(u.slice(0, t, t + 1).contiguous());
          assertThat(alone.weights().toFloats())
              .isEqualTo(Arrays.copyOfRange(weights, 3 * t, 3 * t + 3));
          assertThat(alone.experts().toLongs())
              .isEqualTo(Arrays.copyOfRange(ids, 3 * t, 3 * t + 3));
        }
      }
    } finally {
      Workers.setThreads(before);
    }
  }

  @Test
  @DisplayName("D01 D07: one router used by 8 threads gives every one the same bits")
  void threadsShareARouter() throws Exception {
    Router router = new Router(40, 9, 3, Weighting.RENORMALISED, new Rng(5));
    router.train(false);
    Tensor u = normal(8, 130, 40);
    float[] wanted = router.route(u).weights().toFloats();
    Callable<Boolean> work =
        () -> {
          boolean same = true;
          for (int i = 0; i < 12; i++) {
            try (Scope _ = Scope.open()) {
              same &= Arrays.equals(router.route(u).weights().toFloats(), wanted);
            }
          }
          return same;
        };
    try (var pool = Executors.newFixedThreadPool(8)) {
      for (var result : pool.invokeAll(Stream.generate(() -> work).limit(8).toList())) {
        assertThat(result.get()).isTrue();
      }
    }
  }

  @Test
  void parametersCarryTheFieldsNames() {
    RouterConfig all =
        RouterConfig.builder(6, 4, 2)
            .bias(true)
            .correctionBias(true)
            .noise(new Noise.Learned())
            .build();
    Set<String> names = new TreeSet<>(new Router(all, new Rng(0)).parameters().keySet());
    assertThat(names)
        .containsExactly("e_score_correction_bias", "w_noise.weight", "wg.bias", "wg.weight");
    assertThat(new Router(RouterConfig.builder(6, 4, 2).build(), new Rng(0)).parameters())
        .containsOnlyKeys("wg.weight");
  }
}
