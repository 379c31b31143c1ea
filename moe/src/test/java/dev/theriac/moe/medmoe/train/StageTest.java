package dev.theriac.moe.medmoe.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.moe.MoeLayer;
import dev.theriac.moe.Router;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.ModelShape;
import dev.theriac.moe.medmoe.MoeOptions;
import dev.theriac.moe.medmoe.TinyModels;
import dev.theriac.moe.medmoe.data.Dataset;
import dev.theriac.moe.medmoe.data.ImageSource;
import dev.theriac.moe.medmoe.data.Phantom;
import dev.theriac.moe.medmoe.data.PhantomSets;
import dev.theriac.moe.medmoe.data.Phantoms;
import dev.theriac.moe.medmoe.data.Sample;
import dev.theriac.moe.medmoe.prompt.Conversation;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Autograd;
import dev.theriac.optim.StepSummary;
import dev.theriac.optim.Untouched;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import dev.theriac.train.StepReport;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionTransformer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class StageTest {
  private static final List<Phantom> PHANTOMS = Phantoms.train(3, 8);

  static StageOptions options(int steps, boolean trainVision, boolean trainLanguage) {
    return new StageOptions(
        steps, 1, 4, 2, 1e-2, 0.1, 0, 0.999, 1, 9, trainVision, trainLanguage, false, null, 2048);
  }

  private static MedMoe model(Stage stage, Family family) {
    return stage == Stage.MOE ? TinyModels.mixture(family) : TinyModels.dense(family);
  }

  static Dataset data(Stage stage, List<Phantom> phantoms) {
    return stage == Stage.ALIGN
        ? PhantomSets.captions(phantoms)
        : PhantomSets.conversations(phantoms);
  }

  static Map<String, float[]> values(MedMoe model) {
    Map<String, float[]> out = new LinkedHashMap<>();
    model.parameters().forEach((path, p) -> out.put(path, p.value().toFloats()));
    return out;
  }

  private static List<Double> losses(StageResult result) {
    return result.steps().stream().map(StepReport::loss).toList();
  }

  /** Written out part by part, and not as the stages themselves say it. */
  private static TreeSet<String> wanted(
      Stage stage, Family family, boolean trainVision, boolean trainLanguage, MedMoe model) {
    List<String> prefixes = new ArrayList<>(List.of("projector.0.", "projector.2."));
    switch (stage) {
      case ALIGN -> {
        if (trainVision) prefixes.add("vision.");
        if (trainLanguage) prefixes.add("language.");
      }
      case INSTRUCT -> {
        prefixes.add("language.");
        if (trainVision) prefixes.add("vision.");
      }
      case MOE -> {
        for (int layer : new int[] {0, 2}) {
          prefixes.add("language.layers." + layer + ".mlp.experts.");
          prefixes.add("language.layers." + layer + ".mlp.meta_moe.");
        }
        List<String> dense =
            family == Family.PHI
                ? List.of("fc1", "fc2")
                : List.of("gate_proj", "up_proj", "down_proj");
        for (String name : dense) prefixes.add("language.layers.1.mlp." + name + ".");
      }
    }
    TreeSet<String> out = new TreeSet<>();
    for (String path : model.parameters().keySet()) {
      if (prefixes.stream().anyMatch(path::startsWith)) out.add(path);
    }
    return out;
  }

  /** Blocks after the selected hidden state are never run, so nothing reaches them. */
  private static boolean used(String path) {
    return !path.startsWith("vision.encoder.layers.2.") && !path.startsWith("vision.post_");
  }

  @ParameterizedTest
  @CsvSource({
    "ALIGN,PHI,false,false",
    "ALIGN,PHI,true,false",
    "ALIGN,STABLELM,false,true",
    "ALIGN,STABLELM,true,true",
    "INSTRUCT,PHI,false,false",
    "INSTRUCT,STABLELM,true,true",
    "MOE,PHI,false,false",
    "MOE,STABLELM,false,false",
    "MOE,PHI,true,true"
  })
  void aStageTrainsItsPartsAndLeavesTheOthersAlone(
      Stage stage, Family family, boolean trainVision, boolean trainLanguage) {
    MedMoe model = model(stage, family);
    TreeSet<String> wanted = wanted(stage, family, trainVision, trainLanguage, model);
    assertThat(wanted).isNotEmpty().doesNotContain("language.layers.0.mlp.gate.wg.weight");
    Map<String, float[]> before = values(model);

    StageResult result =
        stage
            .trainer(model, data(stage, PHANTOMS))
            .options(options(3, trainVision, trainLanguage))
            .run();

    TreeSet<String> trained = new TreeSet<>();
    model
        .parameters()
        .forEach((path, p) -> {
          if (p.trainable()) trained.add(path);
        });
    assertThat(trained).isEqualTo(wanted);
    assertThat(result.trainable()).isEqualTo(ModelShape.of(model).count(wanted::contains));
    values(model)
        .forEach((path, now) -> {
          if (wanted.contains(path) && used(path)) {
            assertThat(now).as(path).isNotEqualTo(before.get(path));
          } else {
            assertThat(now).as(path).isEqualTo(before.get(path));
          }
        });
    assertThat(model.isTraining()).isFalse();
  }

  @Test
  void thePlanCountsWhatIsTrained() {
    MedMoe model = TinyModels.mixture(Family.PHI);
    StageTrainer trainer =
        Stage.MOE.trainer(model, data(Stage.MOE, PHANTOMS)).options(options(3, false, false));
    StagePlan plan = trainer.plan();
    assertThat(plan.trainedCount() + plan.frozenCount()).isEqualTo(model.parameterCount());
    assertThat(plan.trained().keySet())
        .containsExactlyInAnyOrder("projector", "experts", "meta experts", "feed-forwards");
    assertThat(plan.frozen().keySet())
        .containsExactlyInAnyOrder(
            "vision encoder", "embeddings and head", "attention", "routers", "norms");
    assertThat(trainer.run().trainable()).isEqualTo(plan.trainedCount());
  }

  @ParameterizedTest
  @EnumSource(names = {"PHI", "STABLELM"})
  void anUpcycledLayerGivesOnePlusPTimesTheDenseOne(Family family) {
    MedMoe dense = TinyModels.dense(family);
    MedMoe mixture = dense.copy().upcycle(TinyModels.router(), MoeOptions.medMoe());
    assertThat(mixture.moeLayers()).hasSize(2);
    Autograd.noGrad(() -> {
      try (Scope _ = Scope.open()) {
        Tensor u = Tensor.randn(new Rng(8), 1, 2, 7, 16);
        for (int layer = 0; layer < 3; layer++) {
          float[] ffn =
              dense.language().layers().get(layer).feedForward().forward(u).value().toFloats();
          var out = mixture.language().layers().get(layer).feedForward().forward(u);
          float[] y = out.value().toFloats();
          float[] p = new float[14];
          if (layer % 2 == 0) p = ((MoeLayer.Side) out.side()).routing().weights().toFloats();
          else assertThat(out.side()).isNull();
          for (int i = 0; i < y.length; i++) {
            assertThat(y[i])
                .as("layer %d, value %d", layer, i)
                .isCloseTo((1 + p[i / 16]) * ffn[i], within(2e-6f));
          }
        }
        return null;
      }
    });
  }

  @Test
  void everyMoeLayerHasItsOwnExpertsAndRouter() {
    Router router = TinyModels.router();
    MedMoe model = TinyModels.dense(Family.PHI).upcycle(router, MoeOptions.medMoe());
    List<Parameter> routers =
        model.parameters().entrySet().stream()
            .filter(e -> e.getKey().endsWith(".mlp.gate.wg.weight"))
            .map(Map.Entry::getValue)
            .toList();
    assertThat(routers).hasSize(2).doesNotHaveDuplicates();
    for (Parameter each : routers) {
      assertThat(each).isNotSameAs(router.parameters().get("wg.weight"));
      assertThat(each.trainable()).isFalse();
      assertThat(each.value().toFloats())
          .isEqualTo(router.parameters().get("wg.weight").value().toFloats());
    }
    assertThatThrownBy(() -> model.upcycle(router, MoeOptions.medMoe()))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("has experts already");
  }

  @ParameterizedTest
  @EnumSource
  void expertsThatSawNoTokenAreLeftAloneWhenAsked(Untouched untouched) {
    MedMoe model = TinyModels.mixture(Family.PHI);
    // Every token goes to expert 2.
    model
        .moeLayers()
        .forEach(m ->
            m.router().parameters().get("wg.bias").set(Tensor.of(new float[] {0, 0, 1e4f, 0}, 4)));
    Map<String, float[]> before = values(model);
    StageOptions decaying =
        new StageOptions(2, 1, 4, 2, 1e-2, 0, 0.1, 0.999, 1, 9, true, true, false, null, 2048);
    StageResult result =
        Stage.MOE
            .trainer(model, data(Stage.MOE, PHANTOMS))
            .options(decaying)
            .untouched(untouched)
            .run();
    long slices = 2 * 4 * 4;
    assertThat(result.steps())
        .allMatch(r ->
            r.update()
                .equals(new StepSummary(slices, untouched == Untouched.STEP ? 0 : 3 * slices / 4)));
    String path = "language.layers.0.mlp.experts.fc1.weight";
    float[] after = model.parameters().get(path).value().toFloats();
    int each = after.length / 4;
    for (int e = 0; e < 4; e++) {
      float[] then = Arrays.copyOfRange(before.get(path), e * each, (e + 1) * each);
      assertThat(Arrays.equals(then, Arrays.copyOfRange(after, e * each, (e + 1) * each)))
          .as("expert %d unchanged", e)
          .isEqualTo(e != 2 && untouched == Untouched.SKIP);
    }
  }

  @Test
  void theSameSeedGivesTheSameLosses() {
    MedMoe start = TinyModels.dense(Family.STABLELM);
    List<List<Double>> runs = new ArrayList<>();
    for (long seed : new long[] {1, 1, 2}) {
      StageOptions o = options(3, true, true);
      StageOptions seeded =
          new StageOptions(
              o.steps(), 1, 4, 2, 1e-2, 0.1, 0, 0.999, 1, seed, true, true, false, null, 2048);
      runs.add(
          losses(
              Stage.INSTRUCT
                  .trainer(start.copy(), data(Stage.INSTRUCT, PHANTOMS))
                  .options(seeded)
                  .run()));
    }
    assertThat(runs.get(1)).isEqualTo(runs.get(0)).hasSize(3);
    assertThat(runs.get(2)).isNotEqualTo(runs.get(0));
  }

  @Test
  void dropoutIsReproducible() {
    List<List<Double>> runs = new ArrayList<>();
    List<Map<String, float[]>> ends = new ArrayList<>();
    for (double dropout : new double[] {0.3, 0.3, 0}) {
      MedMoe model = TinyModels.dense(Family.PHI, dropout);
      runs.add(
          losses(
              Stage.INSTRUCT
                  .trainer(model, data(Stage.INSTRUCT, PHANTOMS))
                  .options(options(3, false, false))
                  .run()));
      ends.add(values(model));
    }
    assertThat(runs.get(1)).isEqualTo(runs.get(0));
    assertThat(runs.get(2)).isNotEqualTo(runs.get(0));
    ends.get(0).forEach((path, v) -> assertThat(ends.get(1).get(path)).as(path).isEqualTo(v));
  }

  @Test
  void lossFallsInEveryStage() {
    MedMoe model = TinyModels.dense(Family.PHI);
    for (Stage stage : Stage.values()) {
      if (stage == Stage.MOE) model = model.upcycle(TinyModels.router(), MoeOptions.medMoe());
      List<Double> losses =
          losses(
              stage.trainer(model, data(stage, PHANTOMS)).options(options(10, true, true)).run());
      assertThat(mean(losses.subList(5, 10)))
          .as(stage.name())
          .isLessThan(mean(losses.subList(0, 5)));
    }
  }

  private static double mean(List<Double> values) {
    return values.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
  }

  @Test
  void stagesRefuseTheWrongKindOfModel() {
    Dataset data = data(Stage.MOE, PHANTOMS);
    assertThatThrownBy(() -> Stage.MOE.trainer(TinyModels.dense(Family.PHI), data).run())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("call upcycle first");
    assertThatThrownBy(() -> Stage.INSTRUCT.trainer(TinyModels.mixture(Family.PHI), data).run())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("has experts already");
    assertThatThrownBy(
            () -> Stage.ALIGN.trainer(TinyModels.dense(Family.PHI), Dataset.of(List.of())))
        .hasMessageContaining("empty");
  }

  @Test
  void textAloneIsTrainedOnButAMarkNeedsAPicture() {
    Sample text =
        new Sample("t", ImageSource.NONE, null, Conversation.of("Any effusion?", "no"), null);
    StageResult result =
        Stage.INSTRUCT
            .trainer(TinyModels.dense(Family.PHI), Dataset.of(List.of(text)))
            .options(options(1, false, false))
            .run();
    assertThat(result.steps().getFirst().loss()).isPositive();
    Sample marked =
        new Sample(
            "m", ImageSource.NONE, null, Conversation.aboutImage("Any effusion?", "no"), null);
    assertThatThrownBy(() ->
            Stage.INSTRUCT
                .trainer(TinyModels.dense(Family.PHI), Dataset.of(List.of(marked)))
                .options(options(1, false, false))
                .run())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("sample m speaks of an image and has none");
  }

  /** One question for each phantom, the same for all, so that only the picture tells. */
  private static Dataset sameQuestion(List<Phantom> phantoms) {
    List<Sample> out = new ArrayList<>();
    for (Phantom p : phantoms) {
      out.add(
          new Sample(
              "p" + out.size(),
              new ImageSource.InMemory(p.image()),
              p.modality(),
              Conversation.aboutImage("What is this?", "an image"),
              null));
    }
    return Dataset.of(out);
  }

  @Test
  void theRouterLearnsToTellModalities() {
    var vision = new VisionConfig(16, 8, 32, 2, 2, 64, 1e-5, -1, 0.1);
    var decoder = new DecoderConfig(Family.PHI, 512, 32, 64, 1, 2, 2, 4, 1e4, 512, 1e-5, 0, 0.1);
    MedMoe model =
        MedMoe.builder()
            .vision(new VisionTransformer(vision, new Rng(1)))
            .language(new Decoder(decoder, new Rng(2)))
            .tokenizer(TinyModels.dense(Family.PHI).tokenizer())
            .build();
    model.train(false);
    Map<String, float[]> before = values(model);
    Router router =
        RouterTrainer.on(model, sameQuestion(Phantoms.train(1, 64)))
            .learningRate(0.1)
            .epochs(80)
            .run();
    double accuracy = RouterTrainer.accuracy(router, model, sameQuestion(Phantoms.test(2, 64)));
    assertThat(accuracy).isGreaterThan(0.9);
    assertThat(RouterTrainer.accuracy(router, model, Dataset.of(List.of()))).isNaN();
    assertThatThrownBy(() -> RouterTrainer.on(model, Dataset.of(List.of())).run())
        .hasMessageContaining("no labelled sample");
    values(model).forEach((path, v) -> assertThat(v).as(path).isEqualTo(before.get(path)));

    Dataset unlabelled =
        Dataset.of(
            List.of(
                new Sample(
                    "x",
                    new ImageSource.InMemory(PHANTOMS.getFirst().image()),
                    null,
                    Conversation.aboutImage("What is this?", "an image"),
                    null)));
    assertThatThrownBy(() -> RouterTrainer.on(model, unlabelled).run())
        .hasMessageContaining("sample x has no modality");
  }
}
