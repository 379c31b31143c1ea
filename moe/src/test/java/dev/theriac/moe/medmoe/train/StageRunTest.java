package dev.theriac.moe.medmoe.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Workers;
import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.moe.Router;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.MoeOptions;
import dev.theriac.moe.medmoe.Provenance;
import dev.theriac.moe.medmoe.TinyModels;
import dev.theriac.moe.medmoe.data.Dataset;
import dev.theriac.moe.medmoe.data.Phantom;
import dev.theriac.moe.medmoe.data.PhantomSets;
import dev.theriac.moe.medmoe.data.Phantoms;
import dev.theriac.moe.medmoe.data.Sample;
import dev.theriac.moe.medmoe.prompt.Example;
import dev.theriac.moe.medmoe.prompt.PromptEncoder;
import dev.theriac.moe.medmoe.prompt.Template;
import dev.theriac.op.Autograd;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import dev.theriac.train.Checkpoint;
import dev.theriac.train.Checkpoints;
import dev.theriac.train.StepReport;
import dev.theriac.train.TrainingException;
import dev.theriac.train.TrainingListener;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionTransformer;
import dev.theriac.vision.image.Augmentation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole runs: the same bits for any number of threads, over resumes and after failures. */
class StageRunTest {
  private static final List<Phantom> PHANTOMS = Phantoms.train(3, 16);
  private final int threads = Workers.threads();

  @TempDir Path dir;

  @AfterEach
  void threadsAsBefore() {
    Workers.setThreads(threads);
  }

  /** Wide enough for products and sums to be cut into several tasks. */
  private static MedMoe wide() {
    var vision = new VisionConfig(32, 4, 48, 2, 2, 96, 1e-5, -1, 0.05);
    var decoder =
        new DecoderConfig(Family.PHI, 512, 64, 160, 2, 4, 4, 8, 1e4, 512, 1e-5, 0.1, 0.05);
    return MedMoe.builder()
        .vision(new VisionTransformer(vision, new Rng(1)))
        .language(new Decoder(decoder, new Rng(2)))
        .tokenizer(TinyModels.dense(Family.PHI).tokenizer())
        .build();
  }

  private static StageOptions options(int steps, int batch) {
    return new StageOptions(
        steps, 1, batch, 1, 3e-3, 0.1, 0.01, 0.999, 1, 9, true, true, false, null, 2048);
  }

  private static Map<String, byte[]> contents(Path dir) throws IOException {
    Map<String, byte[]> out = new TreeMap<>();
    try (Stream<Path> files = Files.walk(dir)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        out.put(dir.relativize(file).toString(), Files.readAllBytes(file));
      }
    }
    return out;
  }

  private Map<String, byte[]> threeStages(int threads, int run) throws IOException {
    Workers.setThreads(threads);
    Path out = dir.resolve(threads + "-" + run);
    MedMoe model = wide();
    for (Stage stage : Stage.values()) {
      if (stage == Stage.MOE) {
        Router router =
            RouterTrainer.on(model, PhantomSets.questions(PHANTOMS.subList(0, 4))).epochs(2).run();
        model = model.upcycle(router, MoeOptions.medMoe());
      }
      stage
          .trainer(model, StageTest.data(stage, PHANTOMS))
          .options(options(2, 6))
          .checkpoints(new Checkpoints(out.resolve(stage.name()), 2), 1)
          .run();
    }
    model.save(out.resolve("model"), Provenance.of(9, "three stages", ""));
    return contents(out);
  }

  @Test
  void threeStagesGiveTheSameBytesForAnyNumberOfThreads() throws IOException {
    Map<String, byte[]> first = threeStages(1, 0);
    assertThat(first)
        .containsKeys("MOE/checkpoint-00000002.safetensors", "model/model.safetensors")
        .hasSize(11);
    for (int threads : new int[] {1, 2, 2, 3, 3, 7, 7}) {
      Map<String, byte[]> again = threeStages(threads, threads == 1 ? 1 : 0);
      assertThat(again.keySet()).isEqualTo(first.keySet());
      first.forEach((name, bytes) ->
          assertThat(again.get(name)).as("%s, %d threads", name, threads).isEqualTo(bytes));
    }
  }

  private static final class Killed extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  /** Stage 3 from a saved model, with dropout and augmentation, so that generators matter too. */
  private StageTrainer third(Path start, Path checkpoints, MedMoe[] out) {
    out[0] = MedMoe.load(start);
    StageOptions augmented =
        new StageOptions(
            6, 1, 3, 1, 3e-3, 0.1, 0, 0.999, 1, 9, false, false, false, Augmentation.xRay(), 2048);
    return Stage.MOE
        .trainer(out[0], StageTest.data(Stage.MOE, PHANTOMS))
        .options(augmented)
        .checkpoints(new Checkpoints(checkpoints, 3), 2);
  }

  @Test
  void aResumedThirdStageEqualsTheUninterruptedOne() throws IOException {
    Path start = dir.resolve("start");
    TinyModels.dense(Family.PHI, 0.2)
        .upcycle(TinyModels.router(), MoeOptions.medMoe())
        .save(start, Provenance.unknown());
    MedMoe[] whole = new MedMoe[1];
    third(start, dir.resolve("whole"), whole).run();

    MedMoe[] broken = new MedMoe[1];
    TrainingListener kill =
        new TrainingListener() {
          @Override
          public void onStep(StepReport report) {
            if (report.step() == 5) throw new Killed();
          }
        };
    assertThatThrownBy(() -> third(start, dir.resolve("cut"), broken).onProgress(kill).run())
        .isInstanceOf(Killed.class);
    MedMoe[] resumed = new MedMoe[1];
    StageResult rest = third(start, dir.resolve("cut"), resumed).run();

    assertThat(rest.steps()).hasSize(2);
    Map<String, byte[]> wanted = contents(dir.resolve("whole"));
    assertThat(wanted).containsKey("checkpoint-00000006.safetensors");
    Map<String, byte[]> got = contents(dir.resolve("cut"));
    assertThat(got.keySet()).isEqualTo(wanted.keySet());
    wanted.forEach((name, bytes) -> assertThat(got.get(name)).as(name).isEqualTo(bytes));
    Map<String, float[]> end = StageTest.values(whole[0]);
    StageTest.values(resumed[0]).forEach((p, v) -> assertThat(v).as(p).isEqualTo(end.get(p)));
  }

  @Test
  void dropoutIsOffUnlessAStageTrains() {
    Dataset data = StageTest.data(Stage.MOE, PHANTOMS);
    ToDoubleFunction<MedMoe> quality = model -> -loss(model, data.get(0));
    MedMoe fresh =
        MedMoe.builder()
            .vision(new VisionTransformer(TinyModels.vision(), new Rng(1)))
            .language(new Decoder(TinyModels.decoder(Family.PHI, 0.5), new Rng(2)))
            .tokenizer(TinyModels.dense(Family.PHI).tokenizer())
            .build();
    assertThat(quality.applyAsDouble(fresh)).isEqualTo(quality.applyAsDouble(fresh));
    assertThat(quality.applyAsDouble(fresh.copy())).isEqualTo(quality.applyAsDouble(fresh));
    MedMoe model = fresh.upcycle(TinyModels.router(), MoeOptions.medMoe());
    assertThat(quality.applyAsDouble(model)).isEqualTo(quality.applyAsDouble(model));
    List<Double> scores = new ArrayList<>();
    List<Double> again = new ArrayList<>();
    Stage.MOE
        .trainer(model, data)
        .options(options(3, 4))
        .checkpoints(new Checkpoints(dir, 1), 1)
        .score(m -> {
          scores.add(quality.applyAsDouble(m));
          again.add(quality.applyAsDouble(m));
          return scores.size(); // so that the last one is kept
        })
        .run();
    assertThat(scores).hasSize(3).isEqualTo(again);
    assertThat(scores.getLast()).isEqualTo(quality.applyAsDouble(model));
  }

  private static double loss(MedMoe model, Sample sample) {
    Example example =
        new PromptEncoder(model.tokenizer(), Template.PHI, 2048).training(sample.conversation());
    float[][] pixels = {model.preprocess(sample.image().load())};
    try (Scope _ = Scope.open()) {
      return Autograd.noGrad(() -> model.forward(List.of(example), pixels)).loss().item();
    }
  }

  @Test
  void aBatchIsCutIntoEqualParts() {
    assertThatThrownBy(() ->
            new StageOptions(1, 1, 32, 3, 1e-3, 0.1, 0, 0.999, 1, 9, true, true, false, null, 2048))
        .hasMessageContaining("a batch of 32 cannot be cut into 3 equal parts");
    assertThat(options(1, 6).microBatches()).isEqualTo(1);
  }

  @Test
  void aNanLossStopsAtItsStepAndKeepsTheLastGoodCheckpoint() throws IOException {
    MedMoe model = TinyModels.dense(Family.PHI);
    TrainingListener poison =
        new TrainingListener() {
          @Override
          public void onStep(StepReport report) {
            if (report.step() != 3) return;
            model.parameters().get("projector.0.bias").set(Tensor.full(Float.NaN, DType.F32, 16));
          }
        };
    assertThatThrownBy(() ->
            Stage.ALIGN
                .trainer(model, StageTest.data(Stage.ALIGN, PHANTOMS))
                .options(options(6, 4))
                .checkpoints(new Checkpoints(dir, 2), 2)
                .onProgress(poison)
                .run())
        .isInstanceOfSatisfying(
            TrainingException.class,
            e -> {
              assertThat(e.step()).isEqualTo(4);
              assertThat(e.lastGood()).contains(dir.resolve("checkpoint-00000002.safetensors"));
              assertThat(e).hasMessageContainingAll("step 4 of 6", "NaN", "of step 2, is kept");
            });
    assertThat(contents(dir).keySet()).containsExactly("checkpoint-00000002.safetensors");
    try (Scope _ = Scope.open()) {
      Checkpoint kept = Checkpoint.read(dir.resolve("checkpoint-00000002.safetensors"));
      assertThat(kept.model().get("projector.0.bias").toFloats()).doesNotContain(Float.NaN);
    }
    assertThat(model.isTraining()).isFalse();
  }

  @Test
  void aRunThatBlowsUpStopsToo() {
    MedMoe model = TinyModels.dense(Family.STABLELM);
    StageOptions o =
        new StageOptions(6, 1, 4, 1, 1e38, 0.1, 0, 0.999, 1, 9, true, true, false, null, 2048);
    // The first step of the warm-up has rate 0; the second ruins the weights, which are not saved.
    assertThatThrownBy(() ->
            Stage.INSTRUCT
                .trainer(model, StageTest.data(Stage.INSTRUCT, PHANTOMS))
                .options(o)
                .checkpoints(new Checkpoints(dir, 2), 1)
                .run())
        .isInstanceOfSatisfying(
            TrainingException.class,
            e -> {
              assertThat(e.step()).isEqualTo(2);
              assertThat(Checkpoint.read(e.lastGood().orElseThrow()).step()).isEqualTo(1);
            })
        .hasMessageContainingAll("stopped at step 2 of 6", "holds a NaN or infinity");
  }
}
