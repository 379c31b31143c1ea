package dev.theriac.moe.medmoe.train;

import static dev.theriac.tensor.PretendProvider.DEVICE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backends;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.GenerationConfig;
import dev.theriac.moe.Router;
import dev.theriac.moe.audit.ExpertUsage;
import dev.theriac.moe.audit.Trail;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.MoeOptions;
import dev.theriac.moe.medmoe.Provenance;
import dev.theriac.moe.medmoe.RoutedAnswer;
import dev.theriac.moe.medmoe.TinyModels;
import dev.theriac.moe.medmoe.data.Dataset;
import dev.theriac.moe.medmoe.data.Phantom;
import dev.theriac.moe.medmoe.data.PhantomSets;
import dev.theriac.moe.medmoe.data.Phantoms;
import dev.theriac.tensor.Device;
import dev.theriac.train.Checkpoints;
import dev.theriac.train.StepReport;
import dev.theriac.train.TrainingListener;
import dev.theriac.vision.image.Augmentation;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A whole Med-MoE on another device than the CPU: what it writes and says is the host's. */
class DeviceStagesTest {
  private static final List<Phantom> PHANTOMS = Phantoms.train(3, 6);

  @TempDir Path dir;

  /** With dropout, augmentation, accumulation and a choice of the best checkpoint. */
  private static StageOptions options(boolean trainVision) {
    return new StageOptions(
        2,
        1,
        4,
        2,
        3e-3,
        0.1,
        0.01,
        0.999,
        1,
        9,
        trainVision,
        true,
        false,
        Augmentation.xRay(),
        2048);
  }

  private static Map<String, byte[]> contents(Path dir) {
    Map<String, byte[]> out = new TreeMap<>();
    try (Stream<Path> files = Files.walk(dir)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        out.put(dir.relativize(file).toString(), Files.readAllBytes(file));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return out;
  }

  /** What a run leaves. */
  private record Run(Map<String, byte[]> files, List<Object> said) {}

  private Run run(Device device, Family family) {
    return Backends.with(Backends.scalar(), () -> stages(device, family));
  }

  private Run stages(Device device, Family family) {
    Path out = dir.resolve(family + "-" + device.type());
    List<Object> said = new ArrayList<>();
    MedMoe model = TinyModels.dense(family, 0.1);
    model.to(device);
    Dataset questions = PhantomSets.questions(PHANTOMS);
    for (Stage stage : Stage.values()) {
      if (stage == Stage.MOE) {
        Router router =
            RouterTrainer.on(model, PhantomSets.questions(PHANTOMS.subList(0, 4))).epochs(2).run();
        assertThat(router.device()).isEqualTo(device);
        said.add(RouterTrainer.accuracy(router, model, questions));
        // A router that was read from a file is on the host.
        router.to(Device.CPU);
        MedMoe twin = model.copy();
        assertThat(twin.parameters().values()).allMatch(p -> p.device().equals(device));
        model = twin.upcycle(router, MoeOptions.medMoe());
        assertThat(model.parameters().values()).allMatch(p -> p.device().equals(device));
      }
      StageResult result =
          stage
              .trainer(model, StageTest.data(stage, PHANTOMS))
              .options(options(stage != Stage.MOE))
              .checkpoints(new Checkpoints(out.resolve(stage.name()), 2), 1)
              // The first checkpoint is the best.
              .score(m -> -m.vision().config().dim())
              .run();
      for (StepReport step : result.steps()) said.add(List.of(step.loss(), step.gradNorm()));
      assertThat(model.parameters().values()).allMatch(p -> p.device().equals(device));
    }
    model.save(out.resolve("model"), Provenance.of(9, "three stages", ""));
    said.addAll(answers(model, questions));
    MedMoe again = Device.with(device, () -> MedMoe.load(out.resolve("model")));
    assertThat(again.parameters().values()).allMatch(p -> p.device().equals(device));
    assertThat(answers(again, questions)).isEqualTo(answers(model, questions));
    return new Run(contents(out), said);
  }

  private static List<Object> answers(MedMoe model, Dataset questions) {
    List<Object> said = new ArrayList<>();
    Evaluation evaluation = Evaluation.of(model, questions, 5, 6, done -> {});
    evaluation.answers().forEach(a -> said.add(a.answer()));
    var image = PHANTOMS.getFirst().image();
    GenerationConfig sampled =
        GenerationConfig.greedy(6, model.endId()).withTemperature(1.2).withSeed(5);
    said.add(model.ask(List.of(image, image), List.of("What?", "Is there a mass?"), sampled));
    RoutedAnswer routed = RoutedAnswer.ask(model, image, "Is there a mass?", sampled, List.of());
    said.add(routed.answer());
    said.add(routed.trail().records());
    RoutedAnswer replayed = RoutedAnswer.replay(model, image, "Is there a mass?", routed.trail());
    assertThat(routed.trail().difference(replayed.trail())).isNull();
    ExpertUsage usage = RoutedSamples.usage(model, questions, 2, s -> s.modality().name());
    for (String group : usage.cohorts()) {
      for (int layer : usage.layers()) {
        for (double share : usage.row(group, layer).shares()) said.add(share);
      }
    }
    return said;
  }

  @ParameterizedTest
  @EnumSource(names = {"PHI", "STABLELM"})
  void threeStagesAnswersAndFilesAreThoseOfTheHost(Family family) {
    Run here = run(Device.CPU, family);
    Run there = run(DEVICE, family);
    assertThat(here.files)
        .containsKey("MOE/checkpoint-00000002.safetensors")
        .hasSizeGreaterThan(10);
    assertThat(there.files.keySet()).isEqualTo(here.files.keySet());
    here.files.forEach(
        (name, bytes) -> assertThat(there.files.get(name)).as(name).isEqualTo(bytes));
    assertThat(there.said).usingRecursiveComparison().isEqualTo(here.said);
  }

  /** Stage 3, begun on one device and gone on with on the other. */
  private byte[] third(Device first, Device then) {
    Path out = dir.resolve(first.type() + "-" + then.type());
    return Backends.with(
        Backends.scalar(),
        () -> {
          for (Device device : List.of(first, then)) {
            MedMoe model = TinyModels.mixture(Family.PHI);
            model.to(device);
            StageTrainer trainer =
                Stage.MOE
                    .trainer(model, StageTest.data(Stage.MOE, PHANTOMS))
                    .options(options(false))
                    .checkpoints(new Checkpoints(out, 2), 1);
            if (device.equals(first)) {
              trainer.onProgress(
                  new TrainingListener() {
                    @Override
                    public void onStep(StepReport report) {
                      if (report.step() == 2) throw new IllegalStateException("cut");
                    }
                  });
              assertThat(org.assertj.core.api.Assertions.catchThrowable(trainer::run))
                  .hasMessage("cut");
            } else {
              trainer.run();
            }
          }
          return contents(out).get("checkpoint-00000002.safetensors");
        });
  }

  @Test
  void aRunGoesOnOnAnotherDevice() {
    Path whole = dir.resolve("whole");
    Backends.with(
        Backends.scalar(),
        () ->
            Stage.MOE
                .trainer(TinyModels.mixture(Family.PHI), StageTest.data(Stage.MOE, PHANTOMS))
                .options(options(false))
                .checkpoints(new Checkpoints(whole, 2), 1)
                .run());
    byte[] wanted = contents(whole).get("checkpoint-00000002.safetensors");
    assertThat(third(Device.CPU, DEVICE)).isEqualTo(wanted);
    assertThat(third(DEVICE, Device.CPU)).isEqualTo(wanted);
  }

  /** Parts on two devices: what an encoder sees is brought to the decoder. */
  @Test
  void anEncoderElsewhereIsReached() {
    Backends.with(
        Backends.scalar(),
        () -> {
          MedMoe model = TinyModels.mixture(Family.PHI);
          GenerationConfig greedy = GenerationConfig.greedy(6, model.endId());
          var image = PHANTOMS.getFirst().image();
          String wanted = model.ask(List.of(image), List.of("What?"), greedy).getFirst();
          model.language().to(DEVICE);
          assertThat(model.ask(List.of(image), List.of("What?"), greedy).getFirst())
              .isEqualTo(wanted);
          model.language().to(Device.CPU);
          model.vision().to(DEVICE);
          assertThat(model.ask(List.of(image), List.of("What?"), greedy).getFirst())
              .isEqualTo(wanted);
          return null;
        });
  }

  /** Where tensors are made by default does not matter to a model. */
  @Test
  void aModelElsewhereThanTheCurrentDevice() {
    Backends.with(
        Backends.scalar(),
        () -> {
          MedMoe model = TinyModels.mixture(Family.PHI);
          GenerationConfig greedy = GenerationConfig.greedy(6, model.endId());
          var image = PHANTOMS.getFirst().image();
          RoutedAnswer wanted = RoutedAnswer.ask(model, image, "What?", greedy, List.of());
          RoutedAnswer found =
              Device.with(DEVICE, () -> RoutedAnswer.replay(model, image, "What?", wanted.trail()));
          assertThat(found.answer()).isEqualTo(wanted.answer());
          assertThat(wanted.trail().difference(found.trail())).isNull();
          Device.with(
              DEVICE,
              () ->
                  Stage.MOE
                      .trainer(model, StageTest.data(Stage.MOE, PHANTOMS))
                      .options(options(false))
                      .run());
          assertThat(model.parameters().values()).allMatch(p -> p.device().equals(Device.CPU));
          return null;
        });
  }

  /** A trail that was recorded on one device is replayed on another. */
  @Test
  void aTrailIsReplayedElsewhere() {
    Backends.with(
        Backends.scalar(),
        () -> {
          MedMoe model = TinyModels.mixture(Family.PHI);
          var image = PHANTOMS.getFirst().image();
          GenerationConfig greedy = GenerationConfig.greedy(6, model.endId());
          Path file = dir.resolve("trail.jsonl");
          RoutedAnswer here = RoutedAnswer.ask(model, image, "What?", greedy, List.of());
          here.trail().write(file);
          model.to(DEVICE);
          RoutedAnswer there = RoutedAnswer.replay(model, image, "What?", Trail.read(file));
          assertThat(here.trail().difference(there.trail())).isNull();
          return null;
        });
  }
}
