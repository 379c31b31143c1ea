package dev.theriac.moe.medmoe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.UnaryKind;
import dev.theriac.io.FileException;
import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.GenerationConfig;
import dev.theriac.moe.Router;
import dev.theriac.moe.medmoe.data.PhantomSets;
import dev.theriac.moe.medmoe.data.Phantoms;
import dev.theriac.moe.medmoe.train.Stage;
import dev.theriac.moe.medmoe.train.StageOptions;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionConfig.Feature;
import dev.theriac.vision.VisionTransformer;
import dev.theriac.vision.image.Image;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Model directories: what is written comes back. */
class ModelDirectoryTest extends ModelDirectoryFixture {
  static Stream<VisionConfig> encoders() {
    return Stream.of(
        new VisionConfig(
            VisionConfig.Family.SIGLIP,
            19,
            8,
            3,
            12,
            2,
            2,
            20,
            UnaryKind.GELU_TANH,
            1e-6,
            true,
            0,
            -2,
            Feature.PATCH,
            0.1),
        new VisionConfig(
            VisionConfig.Family.CLIP,
            16,
            8,
            3,
            12,
            2,
            3,
            20,
            UnaryKind.GELU,
            1e-5,
            false,
            6,
            1,
            Feature.CLS_PATCH,
            0.1));
  }

  @ParameterizedTest
  @MethodSource("encoders")
  void otherEncodersComeBackAsTheyWere(VisionConfig encoder) {
    MedMoe model =
        MedMoe.builder()
            .vision(new VisionTransformer(encoder, new Rng(1)))
            .language(new Decoder(TinyModels.decoder(Family.PHI, 0), new Rng(2)))
            .build();
    model.train(false);
    model.save(dir, Provenance.unknown());
    MedMoe back = MedMoe.load(dir);
    assertThat(back.vision().config()).isEqualTo(encoder);
    assertThat(logits(back)).isEqualTo(logits(model));
  }

  /** Phi-2's own head has one, which Med-MoE's has not. */
  @Test
  void aHeadsBiasComesBackToo() {
    DecoderConfig plain = TinyModels.decoder(Family.PHI, 0);
    DecoderConfig biased = plain.withOptions(plain.options().withBiases(true, true, true));
    MedMoe model =
        MedMoe.builder()
            .vision(new VisionTransformer(TinyModels.vision(), new Rng(1)))
            .language(new Decoder(biased, new Rng(2)))
            .build();
    String path = "language.lm_head.bias";
    float[] numbers = new float[512];
    for (int i = 0; i < numbers.length; i++) numbers[i] = i % 7 - 3;
    Tensor bias = Tensor.of(numbers, 512);
    Map<String, Tensor> values = new LinkedHashMap<>(ParameterCopies.of(model));
    values.put(path, bias);
    model.load(values);
    model.save(dir, Provenance.unknown());
    MedMoe back = MedMoe.load(dir);
    assertThat(back.parameters().get(path).value().toFloats()).isEqualTo(bias.toFloats());
    assertThat(logits(back)).isEqualTo(logits(model));
  }

  @ParameterizedTest
  @CsvSource({"PHI,false", "PHI,true", "STABLELM,false", "STABLELM,true"})
  void aModelComesBackAsItWas(Family family, boolean mixture) throws IOException {
    MedMoe model = model(family, mixture);
    Provenance origin = Provenance.of(7, "stage=MOE", "sha256:abc");
    model.save(dir, origin);
    assertThat(contents(dir).keySet())
        .containsExactly(
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json");

    MedMoe back = MedMoe.load(dir);

    assertThat(ModelShape.of(back)).isEqualTo(ModelShape.of(model));
    assertThat(back.preprocessing()).isEqualTo(model.preprocessing());
    assertThat(back.tokenizer().padId()).isEqualTo(model.tokenizer().padId());
    assertThat(back.tokenizer().eosId()).isEqualTo(model.tokenizer().eosId());
    assertThat(back.isTraining()).isFalse();
    assertThat(logits(back)).isEqualTo(logits(model));
    assertThat(ModelDirectory.provenance(dir)).isEqualTo(origin);
    assertThat(origin.version()).matches("\\d+\\.\\d+.*");
    Path again = dir.resolve("again");
    back.save(again, origin);
    contents(again)
        .forEach((name, bytes) -> assertThat(dir.resolve(name)).as(name).hasBinaryContent(bytes));
  }

  /** {@code generation_config.json}: honoured where nobody says otherwise, and kept as it is. */
  @Test
  void theDirectorySaysHowToAnswer() throws IOException {
    MedMoe model = TinyModels.dense(Family.PHI);
    assertThat(model.generation()).isEqualTo(GenerationConfig.greedy(64, model.endId()));
    model.save(dir, Provenance.unknown());
    assertThat(MedMoe.load(dir).generation()).isEqualTo(model.generation());
    Path file = dir.resolve("generation_config.json");
    Files.writeString(
        file,
        "{\"do_sample\": true, \"temperature\": 1.5, \"top_k\": 9, \"max_new_tokens\": 7,"
            + " \"repetition_penalty\": 1.2, \"eos_token_id\": [3, 4], \"note\": \"kept\"}");
    MedMoe sampling = MedMoe.load(dir);
    GenerationConfig wanted = new GenerationConfig(7, 1.5, 9, 1, 1.2, 0, Set.of(3, 4));
    assertThat(sampling.generation()).isEqualTo(wanted);
    Image picture = Phantoms.test(1, 1).getFirst().image();
    List<String> asked = List.of("Is there a nodule?");
    assertThat(sampling.ask(picture, asked.getFirst()))
        .isEqualTo(sampling.ask(List.of(picture), asked, wanted).getFirst())
        .isNotEqualTo(sampling.ask(List.of(picture), asked, wanted.withTemperature(0)).getFirst());
    Path again = dir.resolve("again");
    MedMoe mixture = sampling.copy().upcycle(TinyModels.router(), MoeOptions.medMoe());
    assertThat(mixture.generation()).isEqualTo(wanted);
    mixture.save(again, Provenance.unknown());
    assertThat(again.resolve(file.getFileName())).hasSameBinaryContentAs(file);
    // Limits beyond the 512 positions of this one are limits all the same.
    for (String limit : List.of("max_length", "max_new_tokens")) {
      Files.writeString(file, "{\"%s\": 530, \"eos_token_id\": 3}".formatted(limit));
      MedMoe longer = MedMoe.load(dir);
      assertThat(longer.generation().maxNewTokens()).isEqualTo(530);
      assertThat(longer.ask(picture, asked.getFirst())).isNotEmpty();
    }
    Files.writeString(file, "{\"max_length\": 400}");
    assertThat(MedMoe.load(dir).generation().maxLength()).isEqualTo(400);
    assertThat(MedMoe.load(dir).generation().endIds()).containsExactly(model.endId());
    Files.writeString(file, "{\"num_beams\": 4}");
    assertThatThrownBy(() -> MedMoe.load(dir))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll("generation_config.json", "num_beams");
  }

  @Test
  void otherOptionsComeBackToo() {
    // Their order means nothing.
    MoeOptions options = options(List.of(1, 0), 0.01);
    assertThat(options.layers()).containsExactly(0, 1);
    Router router = new Router(16, 3, 2, Router.Weighting.RENORMALISED, new Rng(5));
    MedMoe model = TinyModels.dense(Family.STABLELM, 0.25).upcycle(router, options);
    model.train(false);
    model.save(dir, Provenance.unknown());
    MedMoe back = MedMoe.load(dir);
    assertThat(ModelShape.of(back)).isEqualTo(ModelShape.of(model));
    assertThat(logits(back)).isEqualTo(logits(model));
    assertThat(ModelDirectory.provenance(dir)).isEqualTo(Provenance.unknown());
  }

  @Test
  void shardsComeBackToo() throws IOException {
    MedMoe model = TinyModels.mixture(Family.PHI);
    ModelDirectory.save(model, dir, Provenance.unknown(), 40_000);
    assertThat(contents(dir).keySet())
        .contains("model.safetensors.index.json")
        .doesNotContain("model.safetensors");
    assertThat(logits(MedMoe.load(dir))).isEqualTo(logits(model));
  }

  /** Weights are mapped from the file; training must change the model, not the file. */
  @Test
  void aLoadedModelTrainsLikeTheOriginalAndLeavesItsFilesAlone() throws IOException {
    MedMoe model = TinyModels.mixture(Family.PHI);
    model.save(dir, Provenance.unknown());
    Map<String, byte[]> before = contents(dir);
    MedMoe loaded = MedMoe.load(dir);
    float[] start = logits(loaded);
    for (MedMoe each : List.of(model, loaded)) {
      Stage.MOE
          .trainer(each, PhantomSets.questions(Phantoms.train(3, 4)))
          .options(StageOptions.published(Stage.MOE).withSteps(2))
          .run();
    }
    assertThat(logits(loaded)).isEqualTo(logits(model)).isNotEqualTo(start);
    contents(dir).forEach((name, bytes) -> assertThat(bytes).isEqualTo(before.get(name)));
    loaded.save(dir, Provenance.unknown());
    assertThat(logits(MedMoe.load(dir))).isEqualTo(logits(loaded));
  }

  @Test
  void aBlankModelTakesNoMemoryForWeights() {
    var language =
        new DecoderConfig(Family.PHI, 512, 256, 1024, 4, 4, 4, 32, 1e4, 64, 1e-5, 0, 0.02);
    MedMoe tiny = TinyModels.mixture(Family.PHI);
    ModelShape shape = new ModelShape(tiny.vision().config(), language, tiny.moe());
    long before = Memory.stats().live();
    MedMoe blank = MedMoe.blank(shape, tiny.tokenizer(), tiny.preprocessing());
    assertThat(Memory.stats().live() - before).isLessThan(blank.parameterCount() / 4);
    assertThat(ModelShape.of(blank)).isEqualTo(shape);
    shape
        .parameters()
        .forEach((path, wanted) ->
            assertThat(blank.parameters().get(path).value().shape()).as(path).isEqualTo(wanted));
    assertThat(blank.parameters().keySet())
        .containsExactlyElementsOf(
            MedMoe.blank(shape.dense(), tiny.tokenizer(), tiny.preprocessing())
                .upcycle(
                    new Router(256, 4, 1, Router.Weighting.PROBABILITY, new Rng(0)), tiny.moe())
                .parameters()
                .keySet());
  }

  @Test
  void halfWeightsAreTakenAsTheyAre() {
    TinyModels.dense(Family.PHI).save(dir, Provenance.unknown());
    rewrite("lm_head.weight", Tensor.zeros(512, 16).to(DType.BF16));
    var weight = MedMoe.load(dir).parameters().get("language.lm_head.weight");
    assertThat(weight.value().dtype()).isEqualTo(DType.BF16);
  }
}
