package dev.theriac.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.moe.RouterConfig.Scoring;
import dev.theriac.nn.TokenMask;
import dev.theriac.optim.AdamW;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import dev.theriac.train.Checkpoints;
import dev.theriac.train.Trainer;
import dev.theriac.train.TrainingTask;
import java.nio.file.Path;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Balancing without a loss. */
class CorrectionBiasTest extends ScopedTest {
  private static RouterConfig config() {
    return logits(4, 1).scoring(Scoring.SIGMOID).correctionBias(true).build();
  }

  private static Routing choosing(Router router, long... experts) {
    return router.replay(
        Tensor.zeros(experts.length, 4), Tensor.of(experts, experts.length, 1), null);
  }

  @Test
  @DisplayName("L07: the bias moves by the sign of the shortage, is centred, once per step")
  void theBiasMovesByTheSign() {
    Router router = identity(config());
    router.train(true);
    CorrectionBias bias = new CorrectionBias(router, 0.5);
    bias.count(choosing(router, 0, 0, 0, 1)); // two micro-batches, counts 4 2 2 0 of mean 2
    bias.count(choosing(router, 0, 1, 2, 2));
    assertThat(bias.counts()).containsExactly(4, 2, 2, 0);
    bias.step();
    assertThat(router.correctionBias().value().toFloats()).containsExactly(-0.5f, 0, 0, 0.5f);
    bias.step(); // nothing was counted since
    assertThat(router.correctionBias().value().toFloats()).containsExactly(-0.5f, 0, 0, 0.5f);
    bias.count(choosing(router, 0, 0, 0, 0));
    bias.step(); // -1 1 1 1 times 0.5, less their mean of 0.25
    assertThat(router.correctionBias().value().toFloats())
        .containsExactly(-1.25f, 0.25f, 0.25f, 0.75f);
  }

  @Test
  @DisplayName("L07: evaluation and filling are not counted")
  void evaluationIsNotCounted() {
    Router router = identity(config());
    CorrectionBias bias = new CorrectionBias(router, 0.5);
    bias.count(choosing(router, 0, 0, 0, 1));
    bias.step();
    assertThat(router.correctionBias().value().toFloats()).containsOnly(0);
    router.train(true);
    TokenMask mask = TokenMask.ofLengths(Tensor.of(new long[] {1}, 1), 3);
    bias.count(router.replay(Tensor.zeros(3, 4), Tensor.of(new long[] {2, 0, 0}, 3, 1), mask));
    assertThat(bias.counts()).containsExactly(0, 0, 1, 0);
  }

  @Test
  void starvedExpertsAreFed() {
    Router router = identity(config());
    router.train(true);
    Tensor u = normal(3, 400, 4).mul(0.3).add(Tensor.of(new float[] {1, 0, 0, -1}));
    double before = ExpertLoad.of(router.route(u).experts(), 4).maxOverMean();
    CorrectionBias bias = new CorrectionBias(router, 0.004);
    for (int step = 0; step < 150; step++) {
      bias.count(router.route(u));
      bias.step();
    }
    assertThat(before).isGreaterThan(2.5);
    assertThat(ExpertLoad.of(router.route(u).experts(), 4).maxOverMean()).isLessThan(1.15);
    assertThat((double) router.correctionBias().value().sum().item()).isBetween(-1e-5, 1e-5);
  }

  @Test
  void copiesHaveABiasOfTheirOwn() {
    Router router = identity(config());
    router.correctionBias().set(Tensor.of(new float[] {1, 2, 3, 4}));
    Router copy = router.copy();
    assertThat(copy.correctionBias().value().toFloats()).containsExactly(1, 2, 3, 4);
    assertThat(copy.correctionBias().isBuffer()).isTrue();
    router.correctionBias().set(Tensor.zeros(4));
    assertThat(copy.correctionBias().value().toFloats()).containsExactly(1, 2, 3, 4);
    assertThat(router.parameters()).containsKey("e_score_correction_bias");
  }

  /** Trains a router whose bias moves after each step; returns the bias. */
  private static float[] train(Path dir, int steps, boolean frozen) {
    Router router = identity(config());
    router.train(true);
    CorrectionBias bias = new CorrectionBias(router, 0.25);
    TrainingTask task =
        (step, micro) -> {
          Tensor u = normal(100 + 2 * step + micro, 6, 4).add(Tensor.of(new float[] {1, 0, 0, 0}));
          Routing r = router.route(u);
          bias.count(r);
          return r.weights().sum();
        };
    try (AdamW optimizer = AdamW.of(router.parameters(), 0.1)) {
      assertThat(optimizer.parameters()).containsOnlyKeys("wg.weight");
      Trainer.of(router, task, optimizer, steps)
          .microBatches(2)
          .saveFrozen(frozen)
          .checkpoints(new Checkpoints(dir, 2), 1)
          .listener(bias.afterEachStep())
          .run();
    }
    return router.correctionBias().value().toFloats();
  }

  @Test
  void theBiasSurvivesACheckpoint(@TempDir Path dir) {
    for (boolean frozen : new boolean[] {true, false}) {
      float[] whole = train(dir.resolve("whole" + frozen), 5, frozen);
      train(dir.resolve("cut" + frozen), 3, frozen);
      assertThat(train(dir.resolve("cut" + frozen), 5, frozen)).isEqualTo(whole);
      assertThat(whole).doesNotContain(Float.NaN).isNotEqualTo(new float[4]);
    }
  }

  @Test
  void drawnNoiseGoesOnWhereACheckpointLeftIt(@TempDir Path dir) {
    float[] whole = noisy(dir.resolve("whole"), 4);
    noisy(dir.resolve("cut"), 2);
    assertThat(noisy(dir.resolve("cut"), 4)).isEqualTo(whole);
  }

  private static float[] noisy(Path dir, int steps) {
    RouterConfig config =
        RouterConfig.builder(4, 4, 2).noise(new RouterConfig.Noise.Constant(1)).jitter(0.1).build();
    Router router = new Router(config, new Rng(5));
    TrainingTask task = (_, _) -> Losses.importance(router.route(normal(9, 6, 4)));
    try (AdamW optimizer = AdamW.of(router.parameters(), 0.1)) {
      Trainer.of(router, task, optimizer, steps).checkpoints(new Checkpoints(dir, 2), 1).run();
    }
    return router.parameters().get("wg.weight").value().toFloats();
  }

  @Test
  void refusesARouterWithoutABias() {
    assertThatThrownBy(() -> new CorrectionBias(identity(logits(4, 1).build()), 0.1))
        .hasMessageContaining("correctionBias(true)");
    assertThatThrownBy(() -> new CorrectionBias(identity(config()), -1))
        .hasMessageContaining("rate -1.0");
  }
}
