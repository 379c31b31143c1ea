package dev.theriac.moe.kit.oracle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.moe.kit.GradientChecker;
import dev.theriac.moe.kit.Tolerance;
import dev.theriac.moe.kit.oracle.OracleRouter.GroupScore;
import dev.theriac.moe.kit.oracle.OracleRouter.Scoring;
import dev.theriac.moe.kit.oracle.OracleRouter.Weighting;
import dev.theriac.tensor.Rng;
import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The judge is judged: by central differences, by known values, by broken copies of itself. */
class OracleTest {
  private static final int DIM = 5;
  private static final int WIDTH = 3;
  private static final int EXPERTS = 6;
  private static final int TOKENS = 7;

  static Stream<OracleRouter> routers() {
    List<OracleRouter> all = new ArrayList<>();
    for (Scoring scoring : Scoring.values()) {
      for (Weighting weighting : Weighting.values()) {
        for (int k : new int[] {1, 2, EXPERTS}) {
          all.add(OracleRouter.of(EXPERTS, k, scoring, weighting));
        }
      }
    }
    OracleRouter sigmoid = OracleRouter.of(EXPERTS, 2, Scoring.SIGMOID, Weighting.RENORMALISED);
    all.add(sigmoid.scaled(2.5).biased(0.3, -0.2, 0, 0.1, -0.5, 0.2));
    all.add(sigmoid.grouped(3, 2, GroupScore.SUM_OF_TWO));
    all.add(
        OracleRouter.of(EXPERTS, 2, Scoring.SOFTMAX, Weighting.RAW)
            .scaled(16)
            .grouped(3, 1, GroupScore.MAX));
    return all.stream();
  }

  @ParameterizedTest
  @MethodSource("routers")
  void gradientsAgreeWithCentralDifferences(OracleRouter router) {
    for (Activation activation : List.of(Activation.GELU, Activation.GELU_TANH, Activation.SILU)) {
      for (boolean gated : new boolean[] {false, true}) {
        Rng rng = new Rng(7);
        Oracle oracle = oracle(rng, router, activation, gated);
        double[][] x = normal(rng, TOKENS, DIM);
        double[][] g = normal(rng, TOKENS, DIM);
        boolean[] valid = {true, false, true, true, true, false, true};
        Oracle.Forward f = oracle.forward(x);
        boolean[][] kept = Oracle.keepAll(f.chosen());
        kept[3][0] = false;
        Oracle.Forward start = oracle.forward(x, f.chosen(), kept);
        Oracle.Gradients found = oracle.backward(start, g, 0.3, 0.01, valid);
        String name = "%s gated %s of %s, ".formatted(activation, gated, router);
        // With the choice held still: it has no gradient, and must not jump within a step.
        DoubleSupplier objective =
            () -> oracle.objective(oracle.forward(x, f.chosen(), kept), g, 0.3, 0.01, valid);
        oracle
            .parameters()
            .forEach((parameter, values) ->
                GradientChecker.compare(
                        name + parameter,
                        objective,
                        values,
                        found.parameters().get(parameter),
                        Tolerance.F64_DIFFERENCES)
                    .check());
        for (int t = 0; t < TOKENS; t++) {
          GradientChecker.compare(
                  name + "x" + t, objective, x[t], found.x()[t], Tolerance.F64_DIFFERENCES)
              .check();
        }
      }
    }
  }

  @Test
  void sequenceLossesHaveTheGradientsOfTheirValues() {
    for (Scoring scoring : Scoring.values()) {
      OracleRouter router = OracleRouter.of(EXPERTS, 2, scoring, Weighting.RENORMALISED);
      double[][] logits = normal(new Rng(3), 6, EXPERTS);
      int[][] chosen = new int[6][];
      for (int t = 0; t < 6; t++) chosen[t] = router.select(logits[t]);
      boolean[] valid = {true, true, false, true, false, true};
      OracleLosses losses = new OracleLosses(router, logits, chosen, valid);
      double[][] found = new double[6][EXPERTS];
      losses.balancePerSequenceGradient(0.7, 3, found);
      for (int t = 0; t < 6; t++) {
        GradientChecker.compare(
                "token " + t,
                () -> 0.7 * losses.balancePerSequence(3),
                logits[t],
                found[t],
                Tolerance.F64_DIFFERENCES)
            .check();
      }
    }
  }

  @Test
  void knowsTheErrorFunction() {
    // Abramowitz and Stegun, table 7.1.
    assertThat(Activation.erf(0.5)).isCloseTo(0.5204998778, within(1e-10));
    assertThat(Activation.erf(1)).isCloseTo(0.8427007929, within(1e-10));
    assertThat(Activation.erf(-2)).isCloseTo(-0.9953222650, within(1e-10));
    assertThat(Activation.erf(0)).isZero();
    assertThat(Activation.erf(5.9)).isCloseTo(1, within(1e-15));
    assertThat(Activation.erf(100)).isEqualTo(1);
  }

  @Test
  void ranksByTheDocumentedOrder() {
    double nan = Double.NaN;
    double inf = Double.POSITIVE_INFINITY;
    assertThat(OracleRouter.order(new double[] {nan, -inf, 1, nan, 1, inf, -0.0, 0.0}))
        .containsExactly(5, 2, 4, 6, 7, 1, 0, 3);
  }

  @Test
  void limitsTheGroupsAndSelectsByBiasWithoutWeightingByIt() {
    OracleRouter router =
        OracleRouter.of(4, 2, Scoring.SIGMOID, Weighting.RAW).grouped(2, 1, GroupScore.SUM_OF_TWO);
    double[] logits = {3, -4, 1, 1};
    assertThat(router.select(logits)).containsExactly(2, 3);
    OracleRouter max = router.grouped(2, 1, GroupScore.MAX);
    assertThat(max.select(logits)).containsExactly(0, 1);
    OracleRouter biased = max.biased(-12, -12, -11, -11.5);
    assertThat(biased.select(logits)).containsExactly(2, 3);
    assertThat(biased.weights(logits, new int[] {2, 3}))
        .containsExactly(Activation.sigmoid(1), Activation.sigmoid(1));
  }

  static Oracle oracle(Rng rng, OracleRouter router, Activation activation, boolean gated) {
    List<OracleFeedForward> experts = new ArrayList<>();
    for (int e = 0; e < EXPERTS; e++) experts.add(feedForward(rng, gated));
    return new Oracle(
        DIM,
        router,
        normal(rng, 1, EXPERTS * DIM)[0],
        normal(rng, 1, EXPERTS)[0],
        experts,
        activation,
        feedForward(rng, gated),
        gated ? normal(rng, 1, DIM)[0] : null);
  }

  private static OracleFeedForward feedForward(Rng rng, boolean gated) {
    double[][] a = normal(rng, 3, WIDTH * DIM);
    double[][] b = normal(rng, 3, WIDTH);
    double[] downBias = normal(rng, 1, DIM)[0];
    return gated
        ? new OracleFeedForward(DIM, WIDTH, a[0], b[0], a[1], b[1], a[2], downBias)
        : new OracleFeedForward(DIM, WIDTH, a[0], b[0], null, null, a[2], downBias);
  }

  private static double[][] normal(Rng rng, int rows, int columns) {
    double[][] out = new double[rows][columns];
    for (double[] row : out) {
      for (int i = 0; i < columns; i++) row[i] = rng.nextGaussian();
    }
    return out;
  }
}
