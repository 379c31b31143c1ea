package dev.theriac.moe.medmoe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.UnaryKind;
import dev.theriac.io.FileException;
import dev.theriac.io.SafeTensors;
import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.GenerationConfig;
import dev.theriac.llm.tokenizer.TokenizerException;
import dev.theriac.moe.Router;
import dev.theriac.moe.medmoe.data.PhantomSets;
import dev.theriac.moe.medmoe.data.Phantoms;
import dev.theriac.moe.medmoe.prompt.Conversation;
import dev.theriac.moe.medmoe.prompt.Example;
import dev.theriac.moe.medmoe.prompt.PromptEncoder;
import dev.theriac.moe.medmoe.prompt.Template;
import dev.theriac.moe.medmoe.train.Stage;
import dev.theriac.moe.medmoe.train.StageOptions;
import dev.theriac.op.Autograd;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
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
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class ModelDirectoryTest {
  @TempDir Path dir;
  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  private static MedMoe model(Family family, boolean mixture) {
    return mixture ? TinyModels.mixture(family) : TinyModels.dense(family);
  }

  /** Logits of every position of a question about a phantom. */
  private static float[] logits(MedMoe model) {
    int[] ids =
        new PromptEncoder(model.tokenizer(), Template.PHI, 1000)
            .inference(Conversation.ask("Is there a nodule?"));
    float[][] pixels = {model.preprocess(Phantoms.test(1, 1).getFirst().image())};
    return Autograd.noGrad(() -> {
      try (Scope _ = Scope.open()) {
        ModelInput in = model.input(List.of(new Example(ids, new int[ids.length])), pixels);
        Tensor hidden =
            model
                .language()
                .forward(model.embed(in), in.positions(), in.lengths(), null, false)
                .hidden();
        return model.language().logits(hidden).toFloats();
      }
    });
  }

  private static Map<String, byte[]> contents(Path dir) throws IOException {
    Map<String, byte[]> out = new TreeMap<>();
    try (Stream<Path> files = Files.list(dir)) {
      for (Path file : files.toList()) {
        out.put(file.getFileName().toString(), Files.readAllBytes(file));
      }
    }
    return out;
  }

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

  @Test
  void partsThatNoDirectoryCouldHoldAreRefused() {
    VisionConfig grey =
        new VisionConfig(
            VisionConfig.Family.CLIP,
            16,
            8,
            1,
            12,
            2,
            3,
            20,
            UnaryKind.QUICK_GELU,
            1e-5,
            false,
            0,
            -1,
            Feature.PATCH,
            0.1);
    DecoderConfig plain = TinyModels.decoder(Family.STABLELM, 0);
    assertThatThrownBy(() ->
            MedMoe.builder()
                .vision(new VisionTransformer(grey, new Rng(1)))
                .language(new Decoder(plain, new Rng(2)))
                .build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("takes 1 channels", "RGB, 3");
    DecoderConfig tied = plain.withTiedHead(true);
    assertThatThrownBy(() ->
            MedMoe.builder()
                .vision(new VisionTransformer(TinyModels.vision(), new Rng(1)))
                .language(new Decoder(tied, new Rng(2)))
                .build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("tiedHead=false", "tiedHead=true");
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
  void optionsThatNoFileHoldsAreRefused() {
    assertThatThrownBy(() -> options(List.of(1, 1), 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("a layer twice in [1, 1]");
    assertThatThrownBy(() -> options(List.of(), 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("no layer gets experts");
    for (double coefficient : new double[] {-1, Double.NaN, 1e300}) {
      assertThatThrownBy(() -> options(null, coefficient))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("auxiliary coefficient " + coefficient);
    }
  }

  private static MoeOptions options(List<Integer> layers, double coefficient) {
    return new MoeOptions(3, 2, Router.Weighting.RENORMALISED, false, layers, coefficient);
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

  private void edit(String file, UnaryOperator<String> change) throws IOException {
    Path path = dir.resolve(file);
    String text = Files.readString(path);
    String changed = change.apply(text);
    assertThat(changed).isNotEqualTo(text);
    Files.writeString(path, changed);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"hidden_size\" : 16|\"hidden_sise\" : 16|\"hidden_size\" is missing",
        "\"hidden_size\" : 16|\"hidden_size\" : \"16\"|\"hidden_size\" is \"16\"; a whole number",
        "\"hidden_size\" : 16|\"hidden_size\" : 16.5|\"hidden_size\" is 16.5; a whole number",
        "\"rope_theta\" : 10000.0|\"rope_theta\" : true|\"rope_theta\" is true; a number",
        "\"patch_size\" : 8|\"patch_size\" : 8, \"patches\" : 4|unknown field"
            + " \"theriac.vision.patches\"",
        "\"image_size\" : 16|\"image_size\" : 1000000000|a whole number from 1 to 65536",
        "\"image_size\" : 16|\"image_size\" : 60000|at most 1048576 patches",
        "\"patch_size\" : 8|\"patch_size\" : 17|\"theriac.vision.patch_size\" is 17; a whole"
            + " number",
        "\"image_size\" : 16|\"image_size\" : 17|prepared in 16 pixels, the image encoder takes 17",
        "\"rope_theta\" : 10000.0|\"rope_theta\" : 0|\"rope_theta\" is 0; a number from 1 to",
        "\"rope_theta\" : 10000.0|\"rope_theta\" : 1e999|\"rope_theta\" is",
        "\"max_position_embeddings\" : 512|\"max_position_embeddings\" : 0|\"max_position_emb",
        "\"embd_pdrop\" : 0.0|\"embd_pdrop\" : 1|\"embd_pdrop\" is 1; a number from 0 to below 1",
        "\"resid_pdrop\" : 0.0|\"resid_pdrop\" : -0.5|\"resid_pdrop\" is -0.5; a number from 0",
        "\"vocab_size\" : 512|\"vocab_size\" : 2000000000|\"vocab_size\" is",
        "\"num_key_value_heads\" : 2|\"num_key_value_heads\" : 0|\"num_key_value_heads\" is 0",
        "\"partial_rotary_factor\" : 0.5|\"partial_rotary_factor\" : 2|\"partial_rotary_factor\"",
        "\"top_k_experts\" : 1|\"top_k_experts\" : 5|\"moe.top_k_experts\" is 5; a whole number",
        "\"router_aux_loss_coef\" : 0.0|\"router_aux_loss_coef\" : -1|\"moe.router_aux_loss_coef\"",
        "\"patch_size\" : 8|\"patch_size\" : 8, \"family\" : \"dino\"|\"theriac.vision.family\" is"
            + " \"dino\"; one of [CLIP, SIGLIP], in small letters",
        "_feature\" : \"patch\"|_feature\" : \"cls\"|\"mm_vision_select_feature\" is \"cls\"",
        "\"moe_enable\" : true|\"moe_enabled\" : true|unknown field \"moe.moe_enabled\"",
        "\"meta_expert\" : true|\"meta_expert\" : 1|\"theriac.moe.meta_expert\" is 1; true or"
            + " false",
        "moe_llava_phi|moe_llava_qwen|\"model_type\" is \"moe_llava_qwen\"",
        "\"image_aspect_ratio\" : \"pad\"|\"image_aspect_ratio\" : \"fit\"|\"image_aspect_ratio\"",
        "\"weighting\" : \"probability\"|\"weighting\" : \"renormalised\"|use PROBABILITY for"
            + " top_k_experts 1",
        "\"theriac\" :|\"other\" :|field \"mm_image_tower\" is \"\", an encoder that is neither"
            + " known",
        "\"vocab_size\" : 512|\"vocab_size\" : 100|512 tokens, but vocab_size is 100",
        "\"vocab_size\" : 512|\"vocab_size\" : 512,|not valid JSON",
        "\"hidden_size\" : 16|\"hidden_size\" : 16, \"hidden_size\" : 16|not valid JSON",
      })
  void aWrongConfigurationNamesFileAndField(String from, String to, String said)
      throws IOException {
    TinyModels.mixture(Family.PHI).save(dir, Provenance.unknown());
    edit("config.json", text -> text.replace(from, to));
    assertThatThrownBy(() -> MedMoe.load(dir))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(dir.toString())
        .hasMessageContaining(said);
  }

  private void rewrite(String key, Tensor replacement) {
    Path file = dir.resolve("model.safetensors");
    Map<String, Tensor> tensors = new LinkedHashMap<>(SafeTensors.open(file).tensors());
    if (replacement == null) assertThat(tensors.remove(key)).isNotNull();
    else tensors.put(key, replacement);
    SafeTensors.write(file, tensors, Map.of());
  }

  @Test
  void wrongTensorsNameFileKeyAndBothShapes() {
    MedMoe model = TinyModels.mixture(Family.PHI);
    String key = "model.layers.2.mlp.deepspeed_moe.experts.deepspeed_experts.3.fc1.weight";
    String file = dir.resolve("model.safetensors").toString();

    model.save(dir, Provenance.unknown());
    rewrite(key, Tensor.zeros(16, 24));
    assertThatThrownBy(() -> MedMoe.load(dir))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(file, key, "[16, 24]", "[24, 16]");

    model.save(dir, Provenance.unknown());
    rewrite(key, Tensor.zeros(24, 16).to(DType.I32));
    assertThatThrownBy(() -> MedMoe.load(dir))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(file, key, "I32[24, 16]", "F32[24, 16]");

    model.save(dir, Provenance.unknown());
    rewrite(key, null);
    rewrite("model.layers.9.extra", Tensor.zeros(1));
    assertThatThrownBy(() -> MedMoe.load(dir))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(file, "1 missing", key, "1 unknown", "model.layers.9.extra");
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

  @Test
  void missingFilesAreNamed() throws IOException {
    assertThatThrownBy(() -> MedMoe.load(dir))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(dir.resolve("config.json").toString());
    TinyModels.dense(Family.PHI).save(dir, Provenance.unknown());
    Files.delete(dir.resolve("model.safetensors"));
    assertThatThrownBy(() -> MedMoe.load(dir))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("model.safetensors");
    Files.delete(dir.resolve("tokenizer.json"));
    assertThatThrownBy(() -> MedMoe.load(dir))
        .isInstanceOf(TokenizerException.class)
        .hasMessageContaining(dir.resolve("tokenizer.json").toString());
  }

  /** The weights' name is taken by a directory, so that writing them fails after all the others. */
  @Test
  void aFailedSaveLeavesTheOldModelAsItWas() throws IOException {
    MedMoe old = TinyModels.dense(Family.PHI);
    ModelDirectory.save(old, dir, Provenance.unknown(), 40_000);
    Files.createDirectory(dir.resolve("model.safetensors"));
    Map<String, byte[]> before = new TreeMap<>();
    try (Stream<Path> files = Files.list(dir)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        before.put(file.getFileName().toString(), Files.readAllBytes(file));
      }
    }
    assertThatThrownBy(() -> TinyModels.mixture(Family.STABLELM).save(dir, Provenance.unknown()))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("model.safetensors");
    Files.delete(dir.resolve("model.safetensors"));
    assertThat(contents(dir).keySet()).isEqualTo(before.keySet());
    before.forEach((name, bytes) -> assertThat(dir.resolve(name)).hasBinaryContent(bytes));
    assertThat(logits(MedMoe.load(dir))).isEqualTo(logits(old));
  }

  @Test
  void aPlaceThatIsNoDirectoryIsAnErrorThatNamesIt() throws IOException {
    Path file = Files.writeString(dir.resolve("file"), "x");
    assertThatThrownBy(() -> TinyModels.dense(Family.PHI).save(file, Provenance.unknown()))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(file.toString());
    assertThat(file).hasContent("x");
  }
}
