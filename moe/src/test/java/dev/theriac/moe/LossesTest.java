package dev.theriac.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Erf;
import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.DenseFeedForward;
import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.RouterConfig.Noise;
import dev.theriac.moe.RouterConfig.Scoring;
import dev.theriac.nn.KvCache;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.RecomputeOp;
import dev.theriac.op.ShapeFunctions;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Values and gradients of the routers' losses against loops in float64. */
class LossesTest extends ScopedTest {
  private static final int E = 5;
  private static final int K = 2;

  private static Map<String, Function<Routing, Tensor>> losses() {
    Map<String, Function<Routing, Tensor>> all = new LinkedHashMap<>();
    all.put("balance", Losses::loadBalance);
    all.put("sequence balance", Losses::sequenceLoadBalance);
    all.put("first choice", Routing::auxiliaryLoss);
    all.put("z", Losses::zLoss);
    all.put("importance", Losses::importance);
    return all;
  }

  private static Router router(Scoring scoring) {
    return identity(logits(E, K).scoring(scoring).build());
  }

  /** The value of a loss over tokens that count, from logits in float64 and ids held fixed. */
  private static double exact(
      String loss, RouterConfig config, double[] logits, long[] ids, TokenMask mask) {
    double sum = 0;
    switch (loss) {
      case "balance", "first choice" -> {
        int k = loss.equals("balance") ? K : 1;
        return balance(config, logits, ids, mask.positions(), k);
      }
      case "sequence balance" -> {
        int sequences = 0;
        for (int b = 0; b < mask.batch(); b++) {
          long row = b;
          long[] of =
              Arrays.stream(mask.positions()).filter(p -> p / mask.length() == row).toArray();
          if (of.length == 0) continue;
          sum += balance(config, logits, ids, of, K);
          sequences++;
        }
        return sum / sequences;
      }
      case "z" -> {
        for (long t : mask.positions()) {
          double all = 0;
          for (int e = 0; e < E; e++) all += Math.exp(logits[(int) t * E + e]);
          sum += Math.pow(Math.log(all), 2);
        }
        return sum / mask.count();
      }
      default -> {
        double[] importance = new double[E];
        for (long t : mask.positions()) {
          long[] of = Arrays.copyOfRange(ids, (int) t * K, (int) t * K + K);
          double[] l = Arrays.copyOfRange(logits, (int) t * E, (int) t * E + E);
          double[] w = RouterOracle.weights(config, l, of);
          for (int j = 0; j < K; j++) importance[(int) of[j]] += w[j];
        }
        return variation(importance);
      }
    }
  }

  private static double balance(
      RouterConfig config, double[] logits, long[] ids, long[] tokens, int k) {
    double[] counts = new double[E];
    double[] p = new double[E];
    for (long t : tokens) {
      for (int j = 0; j < k; j++) counts[(int) ids[(int) t * K + j]]++;
      double[] l = Arrays.copyOfRange(logits, (int) t * E, (int) t * E + E);
      double[] s = RouterOracle.scores(config.scoring(), l);
      double sum = Arrays.stream(s).sum();
      for (int e = 0; e < E; e++) p[e] += s[e] / sum;
    }
    double sum = 0;
    for (int e = 0; e < E; e++) sum += counts[e] * p[e];
    return E * sum / (k * (double) tokens.length * tokens.length);
  }

  private static double variation(double[] x) {
    double mean = Arrays.stream(x).average().orElseThrow();
    return Arrays.stream(x).map(v -> (v - mean) * (v - mean)).average().orElseThrow()
        / (mean * mean + 1e-10);
  }

  @ParameterizedTest
  @MethodSource("backends")
  @DisplayName("G05: values and gradients of all losses, with filling, in both scorings")
  void lossesAgreeWithTheirDefinitions(Backend backend) {
    boolean[] valid = {true, true, false, true, true, true, false, false, false, true, true, true};
    TokenMask mask = TokenMask.of(valid, 3, 4);
    Tensor u = normal(3, 12, E).mul(2);
    for (Scoring scoring : Scoring.values()) {
      Router router = router(scoring);
      long[] ids = router.route(u).experts().toLongs();
      losses()
          .forEach((name, loss) -> {
            Function<double[], Double> f = x -> exact(name, router.config(), x, ids, mask);
            Tensor x = u.detach().requireGrad(true);
            Tensor value = on(backend, () -> loss.apply(router.route(x, mask)));
            assertThat(value.rank()).isZero();
            assertClose(name, value, new double[] {f.apply(doubles(u))}, 2e-6);
            Tensor grad = on(backend, () -> value.backward().get(x));
            assertClose(name + " gradient", grad, differences(doubles(u), 1e-3, f::apply), 2e-5);
          });
    }
  }

  @ParameterizedTest
  @EnumSource(Scoring.class)
  @DisplayName("L01: even routing gives a balance of 1")
  void evenRoutingGivesOne(Scoring scoring) {
    Tensor u = Tensor.zeros(10, E);
    long[] ids = FixedRouter.roundRobin().choose(10, E, K).toLongs();
    Routing r = router(scoring).replay(u, Tensor.of(ids, 10, K), TokenMask.all(2, 5));
    assertThat(Losses.loadBalance(r).item()).isCloseTo(1, within(1e-6f));
    assertThat(Losses.sequenceLoadBalance(r).item()).isCloseTo(1, within(1e-6f));
    assertThat(Losses.importance(r).item()).isCloseTo(0, within(1e-6f));
  }

  @ParameterizedTest
  @MethodSource("backends")
  @DisplayName("L02: appended filling, NaN even, changes no bit of a loss or its gradient")
  void fillingChangesNothing(Backend backend) {
    Tensor u = normal(3, 6, E);
    Tensor nan = Tensor.full(Float.NaN, DType.F32, 3, E);
    // Two rows of 3 tokens, filled up to 4, and a row of nothing.
    Tensor wide =
        ShapeFunctions.concat(
            0,
            List.of(
                u.slice(0, 0, 3), nan.slice(0, 0, 1), u.slice(0, 3, 6), nan, nan.slice(0, 0, 2)));
    TokenMask mask = TokenMask.ofLengths(Tensor.of(new long[] {3, 3, 0}, 3), 4);
    for (Scoring scoring : Scoring.values()) {
      Router router = router(scoring);
      losses()
          .forEach((name, loss) ->
              on(
                  backend,
                  () -> {
                    Tensor a = u.detach().requireGrad(true);
                    Tensor b = wide.detach().requireGrad(true);
                    Tensor narrow = loss.apply(router.route(a, TokenMask.all(2, 3)));
                    Tensor filled = loss.apply(router.route(b, mask));
                    assertThat(filled.item()).as(name).isEqualTo(narrow.item());
                    float[] want = narrow.backward().get(a).toFloats();
                    float[] got = filled.backward().get(b).toFloats();
                    assertThat(Arrays.copyOfRange(got, 0, 15))
                        .isEqualTo(Arrays.copyOfRange(want, 0, 15));
                    assertThat(Arrays.copyOfRange(got, 20, 35))
                        .isEqualTo(Arrays.copyOfRange(want, 15, 30));
                    return null;
                  }));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  @DisplayName("L03: no token that counts gives 0 with zero gradient")
  void nothingGivesZero(Backend backend) {
    TokenMask none = TokenMask.ofLengths(Tensor.of(new long[] {0, 0}, 2), 3);
    losses()
        .forEach((name, loss) ->
            on(
                backend,
                () -> {
                  Tensor x = normal(3, 6, E).requireGrad(true);
                  Tensor value = loss.apply(router(Scoring.SOFTMAX).route(x, none));
                  assertThat(value.item()).as(name).isZero();
                  assertThat(value.backward().get(x).toFloats()).as(name).containsOnly(0);
                  Tensor empty = Tensor.zeros(0, E);
                  Routing r = router(Scoring.SIGMOID).route(empty, TokenMask.all(0, 3));
                  assertThat(loss.apply(r).item()).as(name).isZero();
                  return null;
                }));
  }

  @Test
  @DisplayName("L04: softmax is taken once")
  void softmaxIsTakenOnce() {
    // All to expert 0 with certainty: a second softmax would leave E * e / (e + E - 1).
    Tensor u = Tensor.of(new float[] {60, 0, 0, 0, 0, 60, 0, 0, 0, 0}, 2, E);
    Routing r = identity(logits(E, 1).build()).route(u);
    assertThat(Losses.loadBalance(r).item()).isEqualTo(E);
    assertThat(r.auxiliaryLoss().item()).isEqualTo(E);
  }

  @Test
  @DisplayName("L05: recomputing a block neither counts twice nor adds its loss twice")
  void recomputationDoesNotCountTwice() {
    Router router = identity(logits(E, K).correctionBias(true).build());
    router.train(true);
    CorrectionBias bias = new CorrectionBias(router, 0.1);
    Tensor u = normal(3, 6, E);
    Tensor plain = u.detach().requireGrad(true);
    float[] wanted = Losses.loadBalance(router.route(plain)).backward().get(plain).toFloats();
    Tensor again = u.detach().requireGrad(true);
    int[] runs = new int[1];
    Tensor loss =
        RecomputeOp.recompute(
            in -> {
              Routing inside = router.route(in.getFirst());
              bias.count(inside);
              runs[0]++;
              return Losses.loadBalance(inside);
            },
            List.of(again),
            List.of());
    assertThat(loss.backward().get(again).toFloats()).isEqualTo(wanted);
    assertThat(runs[0]).isEqualTo(2);
    assertThat(Arrays.stream(bias.counts()).sum()).isEqualTo(6 * K);
    bias.count(router.route(u));
    assertThat(Arrays.stream(bias.counts()).sum()).isEqualTo(2 * 6 * K);
  }

  @ParameterizedTest
  @EnumSource(Scoring.class)
  @DisplayName("L06: for one sequence both forms of balance have the same bits")
  void oneSequenceIsABatch(Scoring scoring) {
    TokenMask mask = TokenMask.ofLengths(Tensor.of(new long[] {5}, 1), 7);
    Routing r = router(scoring).route(normal(3, 7, E), mask);
    assertThat(Losses.sequenceLoadBalance(r).item()).isEqualTo(Losses.loadBalance(r).item());
  }

  @ParameterizedTest
  @MethodSource("backends")
  @DisplayName("L08: the z-loss of logits of 1e4 is finite")
  void zLossOfHugeLogits(Backend backend) {
    Tensor x = Tensor.of(new float[] {1e4f, -1e4f, 0, 0, 0}, 1, E).requireGrad(true);
    Tensor loss = on(backend, () -> Losses.zLoss(router(Scoring.SOFTMAX).route(x)));
    assertThat(loss.item()).isEqualTo(1e8f);
    assertThat(on(backend, () -> loss.backward().get(x)).toFloats())
        .containsExactly(2e4f, 0, 0, 0, 0);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void loadIsTheSmoothCount(Backend backend) {
    RouterConfig config = logits(E, K).noise(new Noise.Constant(0.7)).build();
    Router router = identity(config);
    router.train(true);
    Tensor u = normal(3, 9, E);
    TokenMask mask = TokenMask.ofLengths(Tensor.of(new long[] {2, 3, 1}, 3), 3);
    Tensor x = u.detach().requireGrad(true);
    Routing r = on(backend, () -> router.route(x, mask));
    double[] noisy = doubles(r.logits());
    double[] drawn = doubles(u);
    for (int i = 0; i < drawn.length; i++) drawn[i] = noisy[i] - drawn[i];
    Function<double[], Double> f =
        clean -> {
          double[] load = new double[E];
          for (long t : mask.positions()) {
            double[] h = new double[E];
            for (int e = 0; e < E; e++) h[e] = clean[(int) t * E + e] + drawn[(int) t * E + e];
            for (int e = 0; e < E; e++) {
              double[] others = h.clone();
              others[e] = Double.NEGATIVE_INFINITY;
              Arrays.sort(others);
              double z = (clean[(int) t * E + e] - others[E - K]) / 0.7;
              load[e] += Erf.erfc(-z / Math.sqrt(2)) / 2;
            }
          }
          return variation(load);
        };
    Tensor loss = on(backend, () -> Losses.load(r));
    assertClose("load", loss, new double[] {f.apply(doubles(u))}, 1e-5);
    Tensor grad = on(backend, () -> loss.backward().get(x));
    assertClose("load gradient", grad, differences(doubles(u), 1e-3, f::apply), 1e-4);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void loadOfTiesAndTinyNoiseIsFinite(Backend backend) {
    for (double std : new double[] {1e-300, 1e-40, 1e-20, 1e-6, 1}) {
      Router router = identity(logits(E, K).noise(new Noise.Constant(std)).build());
      router.train(true);
      for (Tensor u : List.of(Tensor.zeros(6, E), normal(3, 6, E), normal(3, 6, E).mul(1e6))) {
        Tensor x = u.detach().requireGrad(true);
        Tensor loss = on(backend, () -> Losses.load(router.route(x)));
        assertThat(loss.item()).as("std %s", std).isFinite();
        for (float g : on(backend, () -> loss.backward().get(x)).toFloats()) {
          assertThat(g).as("std %s", std).isFinite();
        }
      }
    }
  }

  @Test
  void refusesWhatIsNotDefined() {
    Routing r = router(Scoring.SOFTMAX).route(normal(3, 4, E));
    assertThatThrownBy(() -> Losses.sequenceLoadBalance(r)).hasMessageContaining("TokenMask.all");
    assertThatThrownBy(() -> Losses.load(r)).hasMessageContaining("no noise");
    Router all = identity(logits(E, E).noise(new Noise.Constant(1)).build());
    all.train(true);
    assertThatThrownBy(() -> Losses.load(all.route(normal(3, 4, E))))
        .hasMessageContaining("k = 5 of 5");
  }

  @Test
  void decodersTellTheirLayersWhatIsFilling() {
    DecoderConfig config = new DecoderConfig(Family.PHI, 9, E, 6, 1, 1, 1, 0, 1e4, 16, 1e-5, 0, 1);
    Decoder decoder = new Decoder(config, new Rng(3));
    decoder
        .layers()
        .getFirst()
        .setFeedForward(
            MoeLayer.upcycle(
                new DenseFeedForward(config, new Rng(4)), router(Scoring.SOFTMAX), true));
    decoder.train(false);
    Tensor x = normal(5, 2, 4, E);
    Tensor positions = Tensor.of(new long[] {0, 1, 2, 3, 0, 1, 2, 3}, 2, 4);
    Tensor lengths = Tensor.of(new long[] {2, 4}, 2);
    assertThat(mask(decoder.forward(x, positions, lengths, null, false)))
        .isEqualTo(TokenMask.ofLengths(lengths, 4));
    assertThat(mask(decoder.forward(x, positions, null, null, false)))
        .isEqualTo(TokenMask.all(2, 4));
    KvCache cache = decoder.cache(2, 8);
    assertThat(mask(decoder.forward(x, positions, lengths, cache, false)))
        .isEqualTo(TokenMask.ofLengths(lengths, 4));
    cache.advance(new long[] {2, 4});
    Tensor seen = Tensor.of(new long[] {3, 4}, 2);
    Tensor next = Tensor.of(new long[] {2, 4}, 2, 1);
    assertThat(mask(decoder.forward(x.slice(1, 0, 1), next, seen, cache, false)))
        .isEqualTo(TokenMask.of(new boolean[] {true, false}, 2, 1));
  }

  private static TokenMask mask(Decoder.Output out) {
    return ((MoeLayer.Side) out.sides().getFirst()).routing().mask();
  }

  @Test
  void countsAreOfChoicesThatCount() {
    Router router =
        new Router(
            RouterConfig.builder(E, E, K).weighting(Weighting.RENORMALISED).build(), new Rng(2));
    TokenMask mask = TokenMask.ofLengths(Tensor.of(new long[] {3, 0}, 2), 4);
    Routing r = router.route(normal(3, 8, E), mask);
    assertThat(Arrays.stream(Losses.counts(r)).sum()).isEqualTo(6);
    assertThat(Losses.counts(r))
        .isEqualTo(
            ExpertLoad.of(Tensor.of(Arrays.copyOf(r.experts().toLongs(), 6), 3, K), E).counts());
  }
}
