package dev.theriac.moe.kit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.moe.Router;
import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.RouterConfig;
import dev.theriac.moe.RouterConfig.GroupScore;
import dev.theriac.moe.RouterConfig.Noise;
import dev.theriac.moe.RouterConfig.Scoring;
import dev.theriac.moe.Routing;
import dev.theriac.moe.kit.LayerCase.Shared;
import dev.theriac.moe.kit.oracle.Activation;
import dev.theriac.moe.kit.oracle.Oracle;
import dev.theriac.moe.kit.oracle.OracleRouter;
import dev.theriac.op.Gradients;
import dev.theriac.op.Index;
import dev.theriac.op.Selection;
import dev.theriac.op.Selection.Groups;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Choice of experts, their weights, and the gradients of those. */
public interface RouterKit extends KitBackends {
  private void onEach(Consumer<Backend> body) {
    everywhere(backend -> {
      body.accept(backend);
      return List.of();
    });
  }

  /** Ids of a choice without groups, checked against the documented order and for all of a row. */
  private static void checkOrder(float[] scores, int columns, int k) {
    int rows = scores.length / columns;
    long[] ids = Selection.topK(Tensor.of(scores, rows, columns), k, Groups.NONE).toLongs();
    long[] plain = Index.topK(Tensor.of(scores, rows, columns), k).indices().toLongs();
    assertThat(plain).as("topK without groups").isEqualTo(ids);
    for (int r = 0; r < rows; r++) {
      float[] row = Arrays.copyOfRange(scores, r * columns, (r + 1) * columns);
      int[] wanted = Arrays.copyOf(OracleRouter.order(Values.of(row)), k);
      long[] got = Arrays.copyOfRange(ids, r * k, (r + 1) * k);
      if (!Arrays.equals(got, Arrays.stream(wanted).asLongStream().toArray())) {
        throw new AssertionError(
            "top %d of %s: %s, wanted %s"
                .formatted(k, Arrays.toString(row), Arrays.toString(got), Arrays.toString(wanted)));
      }
    }
  }

  @Test
  @DisplayName("K01 equal scores go to the lower id")
  default void ties() {
    Rng rng = new Rng(1);
    onEach(_ -> {
      for (int columns : new int[] {1, 2, 3, 8, 15, 16, 17, 33, 64, 130}) {
        for (int k : new int[] {1, 2, 6, columns}) {
          if (k > columns) continue;
          float[] scores = new float[40 * columns];
          for (int i = 0; i < scores.length; i++) scores[i] = rng.nextInt(3);
          checkOrder(scores, columns, k);
          checkOrder(new float[3 * columns], columns, k);
        }
      }
    });
  }

  @Test
  @DisplayName("K02 NaN and infinities: ids stay distinct and in range, and the rows are reported")
  default void specialScores() {
    float nan = Float.NaN;
    float inf = Float.POSITIVE_INFINITY;
    float[] rows = {
      1, 2, nan, 4, 0, //
      nan, nan, nan, nan, nan, //
      1, inf, 3, 4, 0, //
      -inf, -inf, -inf, -inf, -inf, //
      nan, -inf, 1, inf, -inf, //
      inf, inf, -inf, nan, inf, //
      -inf, 2, -inf, -inf, 1, //
      5, 4, 3, 2, 1
    };
    onEach(_ -> {
      for (int k = 1; k <= 5; k++) checkOrder(rows, 5, k);
      assertThat(Selection.unusableRows(Tensor.of(rows, 8, 5)))
          .as("rows that decide nothing")
          .containsExactly(0, 1, 2, 3, 4, 5);
      // The same through a whole router, where NaN comes from the tokens.
      RouterConfig config = RouterConfig.builder(2, 3, 2).build();
      Router router = new Router(config, new Rng(1));
      Routing routing = router.route(Tensor.of(new float[] {1, 2, nan, 1, 0.5f, -1, 1, inf}, 4, 2));
      assertThat(routing.unusable()).containsExactly(1, 3);
      long[] ids = routing.experts().toLongs();
      for (int t = 0; t < 4; t++) {
        assertThat(ids[2 * t]).isBetween(0L, 2L).isNotEqualTo(ids[2 * t + 1]);
        assertThat(ids[2 * t + 1]).isBetween(0L, 2L);
      }
      // One bad token touches no other.
      Routing without = router.route(Tensor.of(new float[] {1, 2, 0.5f, -1}, 2, 2));
      float[] all = routing.weights().toFloats();
      float[] good = without.weights().toFloats();
      Bits.check("weights of good tokens", good, new float[] {all[0], all[1], all[4], all[5]});
    });
  }

  @Test
  @DisplayName("K03 scores that are all negative")
  default void negativeScores() {
    Rng rng = new Rng(3);
    float[] scores = new float[50 * 24];
    for (int i = 0; i < scores.length; i++) {
      scores[i] = (float) (-1e-3 * Math.pow(10, 35 * rng.nextFloat()));
    }
    onEach(_ -> checkOrder(scores, 24, 5));
  }

  @Test
  @DisplayName("K04 zeros of either sign are equal")
  default void signedZeros() {
    float[] rows = {-0f, 0f, -0f, 0f, 0f, -0f, -1, 0f, -0f, -0f, 1, 0f};
    onEach(_ -> {
      for (int k = 1; k <= 4; k++) checkOrder(rows, 4, k);
    });
  }

  @Test
  @DisplayName("K05 denormal scores are told apart")
  default void denormalScores() {
    Rng rng = new Rng(5);
    float[] scores = new float[40 * 17];
    for (int i = 0; i < scores.length; i++) scores[i] = (rng.nextInt(9) - 4) * Float.MIN_VALUE;
    onEach(_ -> checkOrder(scores, 17, 4));
  }

  /** A router whose logits are its input: the identity as weight. */
  static Router identity(RouterConfig.Builder builder, int experts, float... correction) {
    Router router = new Router(builder.build(), new Rng(0));
    float[] eye = new float[experts * experts];
    for (int e = 0; e < experts; e++) eye[e * experts + e] = 1;
    router.parameters().get("wg.weight").set(Tensor.of(eye, experts, experts));
    if (correction.length > 0) router.correctionBias().set(Tensor.of(correction));
    return router;
  }

  private static RouterConfig.Builder sigmoid(int experts, int k) {
    return RouterConfig.builder(experts, experts, k).scoring(Scoring.SIGMOID);
  }

  @Test
  @DisplayName("K06 a bias of 12 over a score of 1e-8 leaves the score exact")
  default void biasDoesNotTouchTheScore() {
    float logit = (float) Math.log(1e-8);
    onEach(_ -> {
      Tensor u = Tensor.of(new float[] {logit, 1, 2, 0.5f}, 1, 4);
      Router biased = identity(sigmoid(4, 2).correctionBias(true), 4, 12, 0, 0, 0);
      Routing routing = biased.route(u);
      assertThat(routing.experts().toLongs()).containsExactly(0, 2);
      double wanted = Activation.sigmoid(logit);
      assertThat(Math.abs(routing.weights().get(0, 0) - wanted) / wanted)
          .as("relative error of the weight of a score of 1e-8")
          .isLessThan(5e-7);
      Routing unbiased = identity(sigmoid(4, 4), 4).route(u);
      float[] all = unbiased.weights().toFloats();
      Bits.check(
          "weights with and without a bias",
          new float[] {all[3], all[0]},
          routing.weights().toFloats());
    });
  }

  @Test
  @DisplayName("K07 biases that make every score negative, with limited groups")
  default void negativeBiasWithGroups() {
    Rng rng = new Rng(7);
    float[] u = MixtureCase.normal(rng, 1, 60 * 8);
    float[] bias = {-100, -101, -100.5f, -102, -99, -103, -100.2f, -100};
    for (GroupScore score : GroupScore.values()) {
      RouterConfig.Builder builder = sigmoid(8, 3).correctionBias(true).groups(4, 2, score);
      OracleRouter oracle = LayerCase.oracle(builder.build(), Values.of(bias));
      onEach(_ -> {
        Routing routing = identity(builder, 8, bias).route(Tensor.of(u, 60, 8));
        double[][] logits = Values.rows(routing.logits());
        long[] ids = routing.experts().toLongs();
        for (int t = 0; t < 60; t++) {
          int[] wanted = oracle.select(logits[t]);
          for (int j = 0; j < 3; j++) assertThat(ids[3 * t + j]).isEqualTo(wanted[j]);
        }
      });
    }
  }

  @Test
  @DisplayName("K08 groups of one expert, and all groups taken, limit nothing")
  default void groupsThatLimitNothing() {
    float[] scores = MixtureCase.normal(new Rng(8), 1, 70 * 12);
    onEach(_ -> {
      Tensor s = Tensor.of(scores, 70, 12);
      long[] free = Selection.topK(s, 4, Groups.NONE).toLongs();
      for (int best = 1; best <= 2; best++) {
        for (int groups : new int[] {1, 2, 3, 12}) {
          Groups all = new Groups(groups, groups, best);
          assertThat(Selection.topK(s, 4, all).toLongs()).as("%s", all).isEqualTo(free);
        }
        // Four of twelve groups of one expert are the four best experts.
        Groups single = new Groups(12, 4, best);
        assertThat(Selection.topK(s, 4, single).toLongs()).as("%s", single).isEqualTo(free);
      }
    });
  }

  @Test
  @DisplayName("K09 sigmoids that all but vanish: renormalised weights and gradients stay right")
  default void vanishingSigmoids() {
    RouterConfig.Builder builder = sigmoid(4, 2).weighting(Weighting.RENORMALISED);
    OracleRouter oracle = LayerCase.oracle(builder.build(), null);
    for (float level : new float[] {-40, -85, -300}) {
      onEach(_ -> {
        float[] logits = {level, level + 0.5f, level - 1, level + 0.25f};
        Tensor u = Tensor.of(logits, 1, 4).requireGrad(true);
        Routing routing = identity(builder, 4).route(u);
        assertThat(routing.experts().toLongs()).containsExactly(1, 3);
        int[] chosen = {1, 3};
        double[] weights = oracle.weights(Values.of(logits), chosen);
        Tolerance.F32
            .compare("weights at " + level, weights, Values.of(routing.weights()), 2)
            .check();
        double[] wanted = oracle.backward(Values.of(logits), chosen, new double[] {1, -2});
        Gradients found = routing.weights().backward(Tensor.of(new float[] {1, -2}, 1, 2));
        Tolerance.F32_GRADIENT
            .compare("gradient at " + level, wanted, Values.of(found.get(u)), 4)
            .check();
      });
    }
  }

  @Test
  @DisplayName("K10 k = 1: renormalised only on request and with a gradient of 0; raw, it has one")
  default void singleExpert() {
    assertThatThrownBy(
            () -> RouterConfig.builder(8, 4, 1).weighting(Weighting.RENORMALISED).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("gradient");
    for (Scoring scoring : Scoring.values()) {
      RouterConfig.Builder builder = RouterConfig.builder(8, 4, 1).scoring(scoring);
      RouterConfig renormalised =
          builder.weighting(Weighting.RENORMALISED).allowSingleRenormalised().build();
      RouterConfig raw = builder.weighting(Weighting.PROBABILITY).build();
      onEach(_ -> {
        LayerCase.Run none = new LayerCase(renormalised, true, Shared.NONE).run(null, null);
        assertThat(none.routing().weights().toFloats()).containsOnly(1);
        Tensor g = none.gradients().get("gate.wg.weight");
        if (g != null) assertThat(g.toFloats()).containsOnly(0);
        LayerCase.Run some = new LayerCase(raw, true, Shared.NONE).run(null, null);
        assertThat(some.gradients().get("gate.wg.weight").toFloats()).doesNotContain(0);
      });
    }
  }

  @Test
  @DisplayName("K11 k = E: the gradient reaches every logit")
  default void everyExpertGetsAGradient() {
    RouterConfig config = RouterConfig.builder(8, 4, 4).build();
    LayerCase c = new LayerCase(config, true, Shared.NONE);
    Oracle oracle = c.oracle();
    Oracle.Forward forward = oracle.forward(c.uRows());
    Oracle.Gradients wanted = oracle.backward(forward, c.upstreamRows(), 0, 0, null);
    onEach(_ -> {
      LayerCase.Run run = c.run(null, null);
      c.check(run, forward, wanted);
      assertThat(run.gradients().get("gate.wg.weight").toFloats()).doesNotContain(0);
    });
  }

  @Test
  @DisplayName("K12 softmax over the chosen is softmax, choice, division by the sum; gradients too")
  default void collapsedFormula() {
    Rng rng = new Rng(12);
    float[] logits = MixtureCase.normal(rng, 2, 30 * 9);
    float[] upstream = MixtureCase.normal(rng, 1, 30 * 3);
    RouterConfig config = RouterConfig.builder(9, 9, 3).weighting(Weighting.RENORMALISED).build();
    OracleRouter oracle = LayerCase.oracle(config, null);
    double[][] weights = new double[30][];
    double[][] gradients = new double[30][];
    for (int t = 0; t < 30; t++) {
      double[] l = Values.of(Arrays.copyOfRange(logits, 9 * t, 9 * t + 9));
      double[] g = Values.of(Arrays.copyOfRange(upstream, 3 * t, 3 * t + 3));
      int[] chosen = oracle.select(l);
      weights[t] = longWay(l, chosen);
      gradients[t] = longWayGradient(l, chosen, g);
      Tolerance exact = new Tolerance(1e-12, 1e-12);
      exact.compare("weights in float64", weights[t], oracle.weights(l, chosen), 3).check();
      exact.compare("gradient in float64", gradients[t], oracle.backward(l, chosen, g), 9).check();
    }
    onEach(_ -> {
      Tensor in = Tensor.of(logits, 30, 9).requireGrad(true);
      Tensor ids = Selection.topK(in.detach(), 3, Groups.NONE);
      Tensor w = Selection.softmax(in, ids, false).retain();
      Gradients found = w.backward(Tensor.of(upstream, 30, 3));
      Tolerance.F32.compare("weights", Values.flat(weights), Values.of(w), 3).check();
      Tolerance.F32_GRADIENT
          .compare("gradient", Values.flat(gradients), Values.of(found.get(in)), 9)
          .check();
    });
  }

  private static double[] longWay(double[] logits, int[] chosen) {
    double[] p = OracleRouter.softmax(logits);
    double sum = Arrays.stream(chosen).mapToDouble(e -> p[e]).sum();
    return Arrays.stream(chosen).mapToDouble(e -> p[e] / sum).toArray();
  }

  private static double[] longWayGradient(double[] logits, int[] chosen, double[] g) {
    double[] p = OracleRouter.softmax(logits);
    double[] s = longWay(logits, chosen);
    double sum = Arrays.stream(chosen).mapToDouble(e -> p[e]).sum();
    double gs = 0;
    for (int j = 0; j < g.length; j++) gs += g[j] * s[j];
    double[] dp = new double[p.length];
    double mean = 0;
    for (int j = 0; j < g.length; j++) {
      dp[chosen[j]] = (g[j] - gs) / sum;
      mean += p[chosen[j]] * dp[chosen[j]];
    }
    double[] dl = new double[p.length];
    for (int e = 0; e < p.length; e++) dl[e] = p[e] * (dp[e] - mean);
    return dl;
  }

  @Test
  @DisplayName("K13 noise and jitter are drawn in training alone")
  default void evaluationHasNoNoise() {
    List<RouterConfig> noisy =
        List.of(
            RouterConfig.builder(8, 6, 2).jitter(0.1).build(),
            RouterConfig.builder(8, 6, 2).noise(new Noise.Constant(1)).build(),
            RouterConfig.builder(8, 6, 2).noise(new Noise.Learned()).build());
    for (RouterConfig config : noisy) {
      onEach(_ -> {
        Router router = new Router(config, new Rng(13));
        Tensor u = Tensor.of(MixtureCase.normal(new Rng(1), 1, 20 * 8), 20, 8);
        router.train(false);
        Routing first = router.route(u);
        Bits.check("logits in evaluation", router.logits(u), first.logits());
        Bits.check("weights in evaluation", first.weights(), router.route(u).weights());
        router.train(true);
        assertThat(router.route(u).logits().toFloats())
            .as("logits in training with %s", config)
            .isNotEqualTo(first.logits().toFloats());
      });
    }
  }

  @Test
  @DisplayName("K14 replayed experts keep the router's gradients, bit for bit")
  default void replayedIdsKeepGradients() {
    for (Weighting weighting : Weighting.values()) {
      RouterConfig config = RouterConfig.builder(8, 6, 2).weighting(weighting).build();
      LayerCase c = new LayerCase(config, true, Shared.NONE);
      onEach(_ -> {
        LayerCase.Run routed = c.run(null, null);
        Tensor recorded = Tensor.of(routed.routing().experts().toLongs(), c.tokens(), 2);
        LayerCase.Run replayed = c.run(c.input(), null, recorded, null);
        Bits.check("output", routed.y(), replayed.y());
        routed
            .gradients()
            .forEach(
                (path, g) -> Bits.check("gradient of " + path, g, replayed.gradients().get(path)));
        assertThat(replayed.gradients().get("gate.wg.weight").toFloats()).doesNotContain(0);
      });
    }
  }

  @Test
  @DisplayName("K15 k below 1 or above the number of experts is refused")
  default void impossibleK() {
    onEach(_ -> {
      Tensor scores = Tensor.zeros(2, 4);
      for (int k : new int[] {Integer.MIN_VALUE, -1, 0, 5, Integer.MAX_VALUE}) {
        assertThatThrownBy(() -> RouterConfig.builder(8, 4, k).build())
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("router")
            .hasMessageContaining(String.valueOf(k));
        assertThatThrownBy(() -> Selection.topK(scores, k, Groups.NONE))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining(String.valueOf(k));
        assertThatThrownBy(() -> Index.topK(scores, k))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining(String.valueOf(k));
      }
      assertThatThrownBy(() -> RouterConfig.builder(8, 4, 3).groups(4, 2, GroupScore.MAX).build())
          .isInstanceOf(IllegalArgumentException.class);
    });
  }

  @Test
  @DisplayName(
      "K16 every back end chooses as the scalar one does, in a million rows with many ties")
  default void selectionIsTheSameEverywhere() {
    int columns = 8;
    int rows = 100_000;
    for (int part = 0; part < 10; part++) {
      Rng rng = new Rng(16, part, 0);
      float[] scores = new float[rows * columns];
      // Every other part on a coarse grid, where a row is a crafted tie more often than not.
      for (int i = 0; i < scores.length; i++) {
        scores[i] = part % 2 == 0 ? rng.nextFloat() - 0.5f : (rng.nextInt(7) - 3) * 0.25f;
      }
      try (Scope _ = Scope.open()) {
        Tensor s = Tensor.of(scores, rows, columns);
        Groups groups = part < 6 ? Groups.NONE : new Groups(4, 2, part % 3 == 0 ? 1 : 2);
        long[] wanted =
            Backends.with(Backends.scalar(), () -> Selection.topK(s, 3, groups)).toLongs();
        for (int r = part; r < rows && part < 6; r += 1000) {
          double[] row = Values.of(Arrays.copyOfRange(scores, r * columns, (r + 1) * columns));
          int[] order = OracleRouter.order(row);
          for (int j = 0; j < 3; j++) assertThat(wanted[3 * r + j]).isEqualTo(order[j]);
        }
        for (Backend backend : backends()) {
          if (backend == Backends.scalar()) continue;
          long[] got =
              Backends.with(
                  backend,
                  () -> fetch(backend, Selection.topK(place(backend, s), 3, groups)).toLongs());
          if (!Arrays.equals(wanted, got)) {
            int at = Arrays.mismatch(wanted, got);
            float[] row = Arrays.copyOfRange(scores, at / 3 * columns, (at / 3 + 1) * columns);
            throw new AssertionError(
                "%s chose expert %d as number %d of %s, the scalar back end %d"
                    .formatted(backend.name(), got[at], at % 3, Arrays.toString(row), wanted[at]));
          }
        }
      }
    }
  }
}
