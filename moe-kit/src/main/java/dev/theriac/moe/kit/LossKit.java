package dev.theriac.moe.kit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.moe.CorrectionBias;
import dev.theriac.moe.FixedRouter;
import dev.theriac.moe.Losses;
import dev.theriac.moe.MoeLayer;
import dev.theriac.moe.Router;
import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.RouterConfig;
import dev.theriac.moe.RouterConfig.Scoring;
import dev.theriac.moe.Routing;
import dev.theriac.moe.kit.LayerCase.Shared;
import dev.theriac.moe.kit.oracle.OracleLosses;
import dev.theriac.moe.kit.oracle.OracleRouter;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.Gradients;
import dev.theriac.op.RecomputeOp;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Losses of the router and the bias that replaces one. */
public interface LossKit extends KitBackends {
  /** Losses by name, all of which leave padding out. */
  Map<String, Function<Routing, Tensor>> LOSSES = losses();

  private static Map<String, Function<Routing, Tensor>> losses() {
    Map<String, Function<Routing, Tensor>> all = new LinkedHashMap<>();
    all.put("balance", Losses::loadBalance);
    all.put("balance per sequence", Losses::sequenceLoadBalance);
    all.put("first choice balance", Routing::auxiliaryLoss);
    all.put("z-loss", Losses::zLoss);
    all.put("importance", Losses::importance);
    return all;
  }

  private static Router router(Scoring scoring, int dim, int experts, int k) {
    RouterConfig config =
        RouterConfig.builder(dim, experts, k)
            .scoring(scoring)
            .weighting(k == 1 ? Weighting.PROBABILITY : Weighting.RENORMALISED)
            .build();
    return new Router(config, new Rng(5));
  }

  @Test
  @DisplayName("L01 even routing gives a balance loss of 1")
  default void evenRouting() {
    everywhere(_ -> {
      for (Scoring scoring : Scoring.values()) {
        Router router = router(scoring, 6, 4, 2);
        Tensor nothing = Tensor.zeros(12, 6);
        // Equal probabilities: 1 whatever was chosen.
        Routing ties = router.route(nothing);
        assertThat(Losses.loadBalance(ties).item()).isCloseTo(1, within(1e-6f));
        Routing even = router.with(FixedRouter.roundRobin()).route(nothing);
        assertThat(Losses.loadBalance(even).item()).isCloseTo(1, within(1e-6f));
        assertThat(Losses.importance(even).item()).isCloseTo(0, within(1e-6f));
      }
      // Sure of one expert each, all as often: 1; all sure of the same: E.
      Router sure = RouterKit.identity(RouterConfig.builder(4, 4, 1), 4);
      float[] each = new float[16];
      float[] same = new float[16];
      for (int t = 0; t < 4; t++) each[5 * t] = same[4 * t] = 50;
      Routing own = sure.route(Tensor.of(each, 4, 4));
      assertThat(Losses.loadBalance(own).item()).isCloseTo(1, within(1e-6f));
      Routing all = sure.route(Tensor.of(same, 4, 4));
      assertThat(Losses.loadBalance(all).item()).isCloseTo(4, within(1e-5f));
      return List.of();
    });
  }

  @Test
  @DisplayName("L02 appended padding changes no bit of any loss or of its gradients")
  default void paddingChangesNothing() {
    float[] u = MixtureCase.normal(new Rng(2), 1, 2 * 7 * 6);
    everywhere(_ -> {
      for (Scoring scoring : Scoring.values()) {
        Router router = router(scoring, 6, 4, 2);
        LOSSES.forEach((name, loss) -> {
          List<float[]> plain = gradients(router, loss, u, TokenMask.all(2, 7), 7);
          for (float filling : new float[] {0, 3, 1e30f}) {
            float[] padded = new float[2 * 10 * 6];
            Arrays.fill(padded, filling);
            for (int b = 0; b < 2; b++) {
              System.arraycopy(u, b * 42, padded, b * 60, 42);
            }
            TokenMask mask = TokenMask.ofLengths(Tensor.of(new long[] {7, 7}), 10);
            Bits.check(
                "%s, padded with %s".formatted(name, filling),
                plain,
                gradients(router, loss, padded, mask, 10));
          }
        });
      }
      return List.of();
    });
  }

  /** The loss, the router's gradient, and that of the seven tokens of each sequence. */
  private static List<float[]> gradients(
      Router router, Function<Routing, Tensor> loss, float[] u, TokenMask mask, int length) {
    Tensor in = Tensor.of(u, 2 * length, 6).requireGrad(true);
    Tensor value = loss.apply(router.route(in, mask)).retain();
    Gradients found = value.backward();
    Tensor weight = router.parameters().get("wg.weight").value();
    List<float[]> all = new ArrayList<>();
    all.add(value.toFloats());
    all.add(found.get(weight).toFloats());
    float[] du = found.get(in).toFloats();
    for (int b = 0; b < 2; b++) {
      all.add(Arrays.copyOfRange(du, b * length * 6, (b * length + 7) * 6));
      float[] padding = Arrays.copyOfRange(du, (b * length + 7) * 6, (b + 1) * length * 6);
      if (padding.length > 0) assertThat(padding).as("gradient of padding").containsOnly(0);
    }
    return all;
  }

  @Test
  @DisplayName("L03 no valid token: every loss is 0, with a gradient of 0")
  default void allMasked() {
    float[] u = MixtureCase.normal(new Rng(3), 1, 5 * 6);
    TokenMask mask = TokenMask.of(new boolean[5], 1, 5);
    everywhere(_ -> {
      Router router = router(Scoring.SIGMOID, 6, 4, 2);
      LOSSES.forEach((name, loss) -> {
        Tensor in = Tensor.of(u, 5, 6).requireGrad(true);
        Tensor value = loss.apply(router.route(in, mask));
        assertThat(value.item()).as(name).isZero();
        if (value.requiresGrad()) {
          Tensor g = value.backward().get(in);
          if (g != null) assertThat(g.toFloats()).as(name).containsOnly(0);
        }
        Tensor none = loss.apply(router.route(Tensor.zeros(0, 6), TokenMask.all(1, 0)));
        assertThat(none.item()).as(name + " of no token").isZero();
      });
      return List.of();
    });
  }

  @Test
  @DisplayName("L04 probabilities are normalised once")
  default void oneSoftmax() {
    float[] u = MixtureCase.normal(new Rng(4), 2, 20 * 6);
    for (Scoring scoring : Scoring.values()) {
      everywhere(_ -> {
        Routing routing = router(scoring, 6, 4, 2).route(Tensor.of(u, 20, 6));
        double[][] logits = Values.rows(routing.logits());
        OracleRouter oracle = LayerCase.oracle(routing.config(), null);
        int[][] chosen = new int[20][];
        double[][] twice = new double[20][];
        for (int t = 0; t < 20; t++) {
          chosen[t] = oracle.select(logits[t]);
          twice[t] = OracleRouter.softmax(OracleRouter.softmax(logits[t]));
          for (int e = 0; e < 4; e++) twice[t][e] = Math.log(twice[t][e]);
        }
        double once = new OracleLosses(oracle, logits, chosen, null).balance();
        double wrong = new OracleLosses(oracle, twice, chosen, null).balance();
        double got = Losses.loadBalance(routing).item();
        assertThat(got).isCloseTo(once, within(3e-6 * once));
        assertThat(Math.abs(got - wrong)).as("a second softmax").isGreaterThan(1e-3);
        return List.of();
      });
    }
  }

  @Test
  @DisplayName("L05 recomputation counts no loss twice")
  default void recomputationCountsOnce() {
    LayerCase c = new LayerCase(RouterConfig.builder(6, 4, 2).build(), true, Shared.NONE);
    Function<Routing, Tensor> losses =
        r -> Losses.loadBalance(r).mul(3).add(Losses.zLoss(r).mul(0.5));
    everywhere(_ -> {
      LayerCase.Run kept = c.run(null, losses);
      Tensor u = c.input().requireGrad(true);
      Tensor g = Tensor.of(c.upstream, c.tokens(), 6);
      List<Tensor> parameters = c.layer.parameters().values().stream().map(p -> p.value()).toList();
      Tensor again =
          RecomputeOp.recompute(
              in -> {
                var out = c.layer.forward(in.getFirst());
                Routing routing = ((MoeLayer.Side) out.side()).routing();
                return out.value().mul(g).sum().add(losses.apply(routing));
              },
              List.of(u),
              parameters);
      Gradients found = again.backward();
      Bits.check("gradient of u", kept.du(), found.get(u));
      kept.gradients()
          .forEach((path, want) ->
              Bits.check(path, want, found.get(c.layer.parameters().get(path).value())));
      return List.of(kept.du());
    });
  }

  @Test
  @DisplayName("L06 the balance of one sequence is that of its batch; of several, their mean")
  default void sequenceForm() {
    float[] u = MixtureCase.normal(new Rng(6), 1, 3 * 8 * 6);
    for (Scoring scoring : Scoring.values()) {
      everywhere(_ -> {
        Router router = router(scoring, 6, 4, 2);
        Tensor in = Tensor.of(u, 24, 6);
        Routing one = router.route(in, TokenMask.all(1, 24));
        Bits.check("one sequence", Losses.loadBalance(one), Losses.sequenceLoadBalance(one));
        Routing three = router.route(in, TokenMask.all(3, 8));
        double[][] logits = Values.rows(three.logits());
        OracleRouter oracle = LayerCase.oracle(three.config(), null);
        int[][] chosen = new int[24][];
        for (int t = 0; t < 24; t++) chosen[t] = oracle.select(logits[t]);
        double wanted = new OracleLosses(oracle, logits, chosen, null).balancePerSequence(8);
        assertThat((double) Losses.sequenceLoadBalance(three).item())
            .isCloseTo(wanted, within(3e-6 * wanted));
        return List.of();
      });
    }
  }

  @Test
  @DisplayName("L07 the correction bias: sign, centring, once a step, never in evaluation")
  default void correctionBias() {
    RouterConfig config =
        RouterConfig.builder(4, 4, 1).scoring(Scoring.SIGMOID).correctionBias(true).build();
    Router router = new Router(config, new Rng(7));
    Router skewed = router.with(FixedRouter.allToOne());
    CorrectionBias bias = new CorrectionBias(skewed, 0.25);
    everywhere(_ -> {
      skewed.correctionBias().set(Tensor.zeros(4));
      skewed.train(false);
      bias.count(skewed.route(Tensor.ones(8, 4)));
      bias.step();
      assertThat(skewed.correctionBias().value().toFloats())
          .as("after a routing in evaluation")
          .containsOnly(0);
      skewed.train(true);
      // Two micro-batches, one step: expert 0 has all, so it falls and the others rise.
      bias.count(skewed.route(Tensor.ones(8, 4)));
      bias.count(skewed.route(Tensor.ones(8, 4)));
      bias.step();
      float[] moved = skewed.correctionBias().value().toFloats();
      assertThat(moved).containsExactly(-0.375f, 0.125f, 0.125f, 0.125f);
      bias.step();
      assertThat(skewed.correctionBias().value().toFloats())
          .as("after a step in which nothing was routed")
          .isEqualTo(moved);
      assertThat(skewed.correctionBias().trainable()).isFalse();
      return List.of();
    });
  }

  @Test
  @DisplayName("L08 z-loss of logits of 10,000 is finite, and right")
  default void largeLogits() {
    float[] logits = {1e4f, -1e4f, 9999, 0, -1e4f, -1e4f, -1e4f, -9998, 0, 0, 0, 1e4f};
    everywhere(_ -> {
      Router router = RouterKit.identity(RouterConfig.builder(4, 4, 1), 4);
      Tensor u = Tensor.of(logits, 3, 4).requireGrad(true);
      Tensor loss = Losses.zLoss(router.route(u)).retain();
      OracleLosses oracle =
          new OracleLosses(
              LayerCase.oracle(router.config(), null),
              Values.rows(Values.of(logits), 4, 3),
              new int[3][1],
              null);
      assertThat((double) loss.item()).isCloseTo(oracle.z(), within(1e-6 * oracle.z()));
      double[][] wanted = new double[3][4];
      oracle.zGradient(1, wanted);
      Tensor found = loss.backward().get(u);
      Tolerance.F32_GRADIENT.compare("gradient", Values.flat(wanted), Values.of(found), 4).check();
      return List.of(loss, found);
    });
  }
}
