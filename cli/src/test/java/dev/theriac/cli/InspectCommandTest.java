package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.io.SafeTensors;
import dev.theriac.llm.CausalLm;
import dev.theriac.llm.CausalLmConfig;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.DecoderOptions;
import dev.theriac.llm.Quantisation;
import dev.theriac.llm.quantised.Quantiser;
import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.lm.MoeLanguageModel;
import dev.theriac.moe.lm.MoeModelConfig;
import dev.theriac.moe.medmoe.CheckpointKeys;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.ModelParts;
import dev.theriac.moe.medmoe.ModelShape;
import dev.theriac.moe.medmoe.MoeOptions;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionDirectory;
import dev.theriac.vision.VisionTransformer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What {@code theriac inspect} says of good, partial and foreign directories. */
class InspectCommandTest {
  private static final Path PUBLISHED =
      Path.of("../moe/src/test/resources/dev/theriac/moe/medmoe/published");

  @TempDir Path dir;
  private Scope scope;

  private record Ran(int status, String out, String err) {}

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  private static Ran inspect(Path path, String... more) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    List<String> args = new ArrayList<>(List.of("inspect", path.toString()));
    args.addAll(List.of(more));
    int status = Main.run(new PrintWriter(out), new PrintWriter(err), args.toArray(String[]::new));
    return new Ran(status, out.toString(), err.toString());
  }

  private static Ran inspect(int status, Path path, String... more) {
    Ran ran = inspect(path, more);
    assertThat(ran.status).as(ran.out + ran.err).isEqualTo(status);
    assertThat(ran.err).doesNotContain("Exception");
    return ran;
  }

  private Path published(String name) throws IOException {
    Path to = dir.resolve("published");
    try (Stream<Path> files = Files.walk(PUBLISHED)) {
      for (Path file : files.toList()) {
        Path copy = to.resolve(PUBLISHED.relativize(file).toString());
        if (Files.isDirectory(file)) Files.createDirectories(copy);
        else Files.copy(file, copy);
      }
    }
    return to.resolve(name);
  }

  private static DecoderConfig decoder(CausalLmConfig.Kind kind, boolean tied) {
    Family family =
        switch (kind) {
          case PHI -> Family.PHI;
          case STABLELM -> Family.STABLELM;
          default -> Family.LLAMA;
        };
    boolean biases = kind == CausalLmConfig.Kind.PHI || kind == CausalLmConfig.Kind.QWEN2;
    DecoderConfig d =
        new DecoderConfig(
            family,
            50,
            16,
            24,
            3,
            4,
            family == Family.LLAMA ? 2 : 4,
            4,
            4,
            1e4,
            64,
            1e-5,
            0,
            0.02,
            biases,
            false,
            tied);
    boolean phi = family == Family.PHI;
    return d.withOptions(DecoderOptions.of(family).withBiases(phi, phi, phi));
  }

  private CausalLm causal(CausalLmConfig.Kind kind, boolean tied) {
    var config = new CausalLmConfig(kind, decoder(kind, tied), 1, List.of(2), null);
    CausalLm model = new CausalLm(config, new Rng(1));
    model.save(dir);
    return model;
  }

  @ParameterizedTest
  @EnumSource
  void languageModels(CausalLmConfig.Kind kind) {
    CausalLm model = causal(kind, false);
    Ran ran = inspect(0, dir);
    String count = String.format(Locale.ROOT, "%,d", model.parameterCount());
    // 2 tensors x 3 layers x 64 positions x heads of keys and values x 4 x 4 bytes
    String cache = decoder(kind, false).kvHeads() == 2 ? "12.0 KiB" : "24.0 KiB";
    assertThat(ran.out.toLowerCase(Locale.ROOT))
        .contains("family             " + kind.name().toLowerCase(Locale.ROOT));
    assertThat(ran.out)
        .contains(
            "model_type " + kind.modelType(),
            "3 layers of width 16, 4 heads",
            "no tokenizer",
            "parameters         " + count,
            "active for a token " + count,
            cache + " for one text of 64 positions",
            "model.layers.{0..2}.self_attn.q_proj.weight",
            "missing            none",
            "unexpected         none",
            "mismatched         none",
            "whole; Theriac reads it");
  }

  @Test
  void aTiedHeadIsCountedOnce() {
    CausalLm model = causal(CausalLmConfig.Kind.QWEN2, true);
    Map<String, Tensor> weights = new LinkedHashMap<>(SafeTensors.open(dir).tensors());
    weights.put("lm_head.weight", Tensor.zeros(50, 16));
    SafeTensors.writeModel(dir, weights, Map.of(), 1 << 30);
    assertThat(inspect(0, dir).out)
        .contains(
            "the head is the embedding table",
            String.format(Locale.ROOT, "parameters         %,d", model.parameterCount()),
            "left alone         1");
  }

  @ParameterizedTest
  @EnumSource
  void languageModelsWithExperts(MoeModelConfig.Kind kind) throws IOException {
    boolean shared = kind == MoeModelConfig.Kind.QWEN2_MOE;
    DecoderConfig decoder =
        new DecoderConfig(
            Family.LLAMA,
            50,
            16,
            24,
            2,
            4,
            2,
            4,
            4,
            1e4,
            64,
            1e-5,
            0,
            0.02,
            shared,
            kind == MoeModelConfig.Kind.OLMOE,
            false);
    var config =
        new MoeModelConfig(
            kind,
            decoder,
            5,
            2,
            Weighting.RENORMALISED,
            24,
            shared ? 12 : 0,
            List.of(0, 1),
            0,
            0,
            List.of());
    MoeLanguageModel model = new MoeLanguageModel(config, new Rng(1));
    model.save(dir);
    long idle = 2 * 3 * 3 * 16 * 24;
    assertThat(inspect(0, dir).out)
        .contains(
            "2 of 5 experts for a token in 2 of 2 layers",
            String.format(Locale.ROOT, "parameters         %,d", model.parameterCount()),
            String.format(Locale.ROOT, "active for a token %,d", model.parameterCount() - idle),
            "45.0 KiB of them copied, to stack experts",
            "experts.{0..4}.",
            "whole; Theriac reads it");
    assertDoublesAreCountedOnce(model);
  }

  /** All of them are copied, experts and others, and each is counted once. */
  private void assertDoublesAreCountedOnce(MoeLanguageModel model) throws IOException {
    Map<String, long[]> shapes = new LinkedHashMap<>();
    model.checkpoint().forEach((key, t) -> shapes.put(key, t.shape()));
    Files.delete(dir.resolve("model.safetensors"));
    hollow(dir.resolve("model.safetensors"), "F64", 8, shapes);
    String size = String.format(Locale.ROOT, "%.1f KiB", model.parameterCount() * 4 / 1024.0);
    assertThat(inspect(0, dir).out)
        .contains(
            "weights            " + size,
            "(" + size + " of them copied, as F64 is rounded to F32)");
  }

  @Test
  void imageEncoders() {
    VisionConfig config = new VisionConfig(18, 6, 12, 3, 2, 20, 1e-5, -2, 0.1);
    VisionTransformer model = new VisionTransformer(config, new Rng(1));
    VisionDirectory.save(model, dir);
    Ran ran = inspect(0, dir);
    assertThat(ran.out)
        .contains(
            "CLIP image encoder (model_type clip_vision_model, CLIPVisionModel)",
            "CLIP of 18 x 18 pixels in patches of 6, 3 layers of width 12",
            "no preprocessor_config.json",
            String.format(Locale.ROOT, "parameters         %,d", model.parameterCount()),
            "whole; Theriac reads it")
        .doesNotContain("keys and values");
    assertThat(inspect(0, PUBLISHED.resolve("siglip-tiny")).out)
        .contains("SigLIP image encoder (model_type siglip_vision_model")
        .doesNotContain("preprocessor_config");
    assertThat(inspect(0, PUBLISHED.resolve("clip-vit-tiny-patch6-18")).out)
        .contains(
            "(model_type clip, CLIPModel)", "left alone         1", "visual_projection.weight");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "llavaphi-2.7b-medmoe|Med-MoE (Phi, experts)|1 of 4 experts for a token in 2 of 4 layers, a"
            + " meta|29,612|24,764",
        "llavastablelm-1.6b-medmoe|Med-MoE (StableLM, experts)|SigLIP of 18 x 18|34,972|28,060",
        "tinymed-phi2|Med-MoE (Phi, experts)|2 of 4 experts for a token in 2 of 4 layers, no"
            + " meta|27,996|24,764",
      })
  void publishedMedMoes(String name, String family, String fact, String all, String active) {
    assertThat(inspect(0, PUBLISHED.resolve(name)).out)
        .contains(
            family,
            fact,
            "parameters         " + all,
            "active for a token " + active,
            "missing            none",
            "whole; Theriac reads it");
  }

  @Test
  void whatAPublishedMedMoeLacksIsSaid() throws IOException {
    Path model = published("llavastablelm-1.6b-medmoe");
    Files.delete(model.resolve("stablelm_router.pth"));
    assertThat(inspect(3, model).out)
        .contains(
            "missing            4",
            "model.layers.{0,2}.mlp.deepspeed_moe.gate.wg.weight  (2)",
            "not whole: see above");
    Path tower = model.resolveSibling("siglip-tiny");
    Files.move(tower, model.resolveSibling("elsewhere"));
    assertThat(inspect(3, model).out)
        .contains("\"mm_image_tower\" is \"/data/models/siglip-tiny\"", "not read: its config");
    assertThat(inspect(3, model, "--vision", model.resolveSibling("elsewhere").toString()).out)
        .contains("missing            4");
    Path first = model.resolveSibling("llavaphi-2.7b-stage1");
    assertThat(inspect(3, first).out)
        .contains("a projector alone", "missing            60", "tokenizer.json is missing");
    assertThat(inspect(0, first, "--language", model.resolveSibling("phi-2").toString()).out)
        .contains("missing            none", "unexpected         none", "left alone         1");
  }

  @Test
  void partsThatAreNotWantedAreSaid() throws IOException {
    String tower = PUBLISHED.resolve("siglip-tiny").toString();
    String language = PUBLISHED.resolve("phi-2").toString();
    causal(CausalLmConfig.Kind.LLAMA, false);
    assertThat(inspect(1, dir, "--vision", tower).err)
        .contains("only of a Med-MoE do parts lie elsewhere", "\"llama\"");
    assertThat(inspect(1, dir.resolve("model.safetensors"), "--vision", tower).err)
        .contains("only of a Med-MoE");
    Path model = published("llavaphi-2.7b-medmoe");
    assertThat(inspect(3, model, "--language", language).out)
        .contains("problem            " + language, "its own language model, in " + model);
    Path first = model.resolveSibling("llavaphi-2.7b-stage1");
    Path own = first.resolve("mm_projector.bin");
    Path other = Files.copy(own, dir.resolve("other.bin"));
    for (String[] whole : new String[][] {{}, {"--language", language}}) {
      String[] named =
          Stream.concat(Stream.of(whole), Stream.of("--projector", "" + other))
              .toArray(String[]::new);
      assertThat(inspect(3, first, named).out)
          .contains("problem            " + other, "its own projector, in " + own);
      named[named.length - 1] = own.toString();
      assertThat(inspect(whole.length == 0 ? 3 : 0, first, named).out)
          .doesNotContain("its own projector");
    }
  }

  @Test
  void missingShardsAreNamedAndTheRestIsCounted() throws IOException {
    Path model = published("llavaphi-2.7b-medmoe");
    Files.delete(model.resolve("model-00002-of-00002.safetensors"));
    String text = inspect(3, model).out;
    assertThat(text)
        .contains(
            "parameters         29,612",
            "missing            78",
            "vision_model.embeddings.class_embedding",
            "vision_model.encoder.layers.{0..2}.self_attn.q_proj.weight  (3)",
            "and more, which --tensors lists",
            "unexpected         none",
            "problem            model-00002-of-00002.safetensors: missing, with the 78 tensors")
        .contains("weights            58.1 KiB in memory");
    assertThat(inspect(3, model, "--tensors").out)
        .doesNotContain("and more")
        .contains("model.layers.3.self_attn.k_proj.bias", "model.layers.1.mlp.fc1.weight  ");
    Files.delete(model.resolve("model.safetensors.index.json"));
    assertThat(inspect(3, model).out)
        .contains(
            "model.safetensors.index.json: missing, which lists the shards",
            "model-00002-of-00002.safetensors: missing");
  }

  @Test
  void whatDoesNotFitIsNamedWithBothShapes() {
    causal(CausalLmConfig.Kind.LLAMA, false);
    Map<String, Tensor> weights = new LinkedHashMap<>(SafeTensors.open(dir).tensors());
    for (int i = 0; i < 3; i++) {
      weights.put("model.layers." + i + ".mlp.up_proj.weight", Tensor.zeros(24, 17));
    }
    weights.put("lm_head.weight", Tensor.zeros(50, 16).to(DType.I32));
    weights.put("model.layers.7.adapter", Tensor.zeros(3).to(DType.BF16));
    weights.remove("model.norm.weight");
    SafeTensors.writeModel(dir, weights, Map.of(), 1 << 30);
    assertThat(inspect(3, dir).out)
        .contains(
            "missing            1\n",
            "model.norm.weight\n",
            "unexpected         1\n",
            "model.layers.7.adapter\n",
            "mismatched         4\n",
            "model.layers.{0..2}.mlp.up_proj.weight is F32[24, 17], should be F32[24, 16] (or BF16,"
                + " F16)  (3)",
            "lm_head.weight is I32[50, 16], should be F32[50, 16]",
            "BF16             1 with 3 values, 6 bytes",
            "not whole");
  }

  @Test
  void weightsThatNoReaderLooksForAreUnexpected() throws IOException {
    causal(CausalLmConfig.Kind.LLAMA, false);
    Files.move(dir.resolve("model.safetensors"), dir.resolve("llama.safetensors"));
    assertThat(inspect(3, dir).out)
        .contains("llama.safetensors: unexpected, as nothing reads weights of this name; call it")
        .contains("missing            none", "not whole: see above");
    assertThatThrownBy(() -> CausalLm.load(dir)).hasMessageContaining("no model here");
    // The projector that the first stage leaves has the name that is looked for.
    Path first = published("llavaphi-2.7b-stage1");
    assertThat(inspect(3, first).out).doesNotContain("as nothing reads");
    Files.move(first.resolve("mm_projector.bin"), first.resolve("projector.bin"));
    assertThat(inspect(3, first).out).contains("projector.bin: unexpected");
  }

  /** As {@code CausalLm.load} says. */
  @Test
  void twoNamesOfOneTensorAreNamedBoth() {
    causal(CausalLmConfig.Kind.LLAMA, false);
    Map<String, Tensor> weights = new LinkedHashMap<>(SafeTensors.open(dir).tensors());
    weights.put("norm.weight", Tensor.zeros(16));
    SafeTensors.writeModel(dir, weights, Map.of(), 1 << 30);
    String said = "tensors \"model.norm.weight\" and \"norm.weight\" are the same parameter";
    assertThat(inspect(3, dir).out).contains("problem            " + said);
    assertThatThrownBy(() -> CausalLm.load(dir)).hasMessageContaining("are the same parameter");
    weights.remove("model.norm.weight");
    SafeTensors.writeModel(dir, weights, Map.of(), 1 << 30);
    inspect(0, dir);
  }

  @Test
  void aQuantisedLanguageModelOfAFirstStageIsReadByItsOwnConfiguration() throws IOException {
    Path first = published("llavaphi-2.7b-stage1");
    Path eight = dir.resolve("phi-2-int8");
    var format = new Quantisation(QuantisedFormat.INT8, false);
    new Quantiser(first.resolveSibling("phi-2"), eight, format).run();
    assertThat(inspect(0, first, "--language", eight.toString()).out)
        .contains("quantised to int8, for inference", "missing            none", "whole;");
    assertThat(MedMoe.load(first, ModelParts.none().withLanguage(eight)).language().parameters())
        .anySatisfy((path, p) -> assertThat(p.isQuantised()).isTrue());
  }

  /** Eight bits and a scale for 32, not the sixteen or 32 bits of other tensors. */
  @Test
  void missingQuantisedWeightsCountAsQuantised() throws IOException {
    causal(CausalLmConfig.Kind.LLAMA, false);
    Path eight = dir.resolve("int8");
    new Quantiser(dir, eight, new Quantisation(QuantisedFormat.INT8, false)).run();
    String weights =
        inspect(0, eight).out.lines().filter(l -> l.startsWith("weights ")).findFirst().get();
    var tensors = SafeTensors.open(eight).tensors();
    SafeTensors.writeModel(eight, tensors, Map.of(), 20_000);
    Files.delete(eight.resolve("model-00002-of-%05d.safetensors".formatted(shards(eight))));
    assertThat(inspect(3, eight).out).contains(weights).containsPattern("missing +[1-9]");
  }

  private static long shards(Path model) throws IOException {
    try (Stream<Path> files = Files.list(model)) {
      return files.filter(f -> f.toString().contains("-of-")).count();
    }
  }

  /** Doubles are rounded when they are read, so that none is mapped. */
  @Test
  void doublesAreCountedAsTheFloatsThatTheyBecome() throws IOException {
    CausalLm model = causal(CausalLmConfig.Kind.LLAMA, false);
    long bytes = model.parameterCount() * 4;
    Map<String, long[]> shapes = new LinkedHashMap<>();
    model.checkpoint().forEach((key, t) -> shapes.put(key, t.shape()));
    Files.delete(dir.resolve("model.safetensors"));
    hollow(dir.resolve("model.safetensors"), "F64", 8, shapes);
    String size = String.format(Locale.ROOT, "%.1f KiB", bytes / 1024.0);
    assertThat(inspect(0, dir).out)
        .contains(
            "weights            %s in memory, mapped as stored (%s of them copied, as F64 is"
                .formatted(size, size));
  }

  @Test
  void foreignModelsAreNamedAndSummarised() throws IOException {
    Files.writeString(
        dir.resolve("config.json"),
        "{\"model_type\": \"gpt_neox\", \"architectures\": [\"GPTNeoXForCausalLM\"]}");
    Map<String, Tensor> weights = new LinkedHashMap<>();
    for (int i = 0; i < 12; i++) {
      weights.put("gpt_neox.layers." + i + ".attention.dense.weight", Tensor.zeros(8, 8));
    }
    SafeTensors.writeModel(dir, weights, Map.of(), 1 << 30);
    assertThat(inspect(3, dir).out)
        .contains(
            "family             gpt_neox (model_type gpt_neox, GPTNeoXForCausalLM)",
            "F32              12 with 768 values, 3,072 bytes",
            "values             768",
            "gpt_neox.layers.{0..11}.attention.dense.weight  F32  [8 x 8]  (12)",
            "not read: Theriac reads clip, clip_vision_model, llama,")
        .doesNotContain("missing ", "active for a token");
    Files.delete(dir.resolve("config.json"));
    assertThat(inspect(3, dir).out)
        .contains("family             unknown", "config.json: missing", "(12)");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"model_type\": \"llama\", \"hidden_act\": \"mish\"}|\"hidden_act\" is \"mish\"",
        "{\"model_type\": \"llama\", \"num_hidden_layers\": 2000000000}|\"num_hidden_layers\" is",
        "{\"model_type\": \"phi\", \"hidden_size\": \"x\"}|\"hidden_size\" is \"x\"",
        "{\"model_type\": 3}|\"model_type\" is 3; text is wanted",
        "{\"model_type\": \"phi\"|not valid JSON",
        "[]|is not a JSON object",
      })
  void aConfigurationAtFaultLeavesTheTensors(String config, String said) throws IOException {
    causal(CausalLmConfig.Kind.LLAMA, false);
    Files.writeString(dir.resolve("config.json"), config);
    assertThat(inspect(3, dir).out)
        .contains(said, "model.norm.weight")
        .containsPattern("verdict +not read");
  }

  @Test
  void whatIsNoModelIsAnError() throws IOException {
    assertThat(inspect(1, dir).err)
        .contains(dir.toString(), "no model here: neither config.json nor a file of weights");
    assertThat(inspect(1, dir.resolve("none")).err).contains("no such file or directory");
    Path file = Files.writeString(dir.resolve("notes.txt"), "hello, this is no model");
    assertThat(inspect(1, file).err).contains("notes.txt", "not a safetensors file");
    assertThat(inspect(1, dir).err).contains("no model here");
    Path config = Files.writeString(dir.resolve("config.json"), "{\"model_type\": \"phi\"}");
    assertThat(inspect(1, config).err).contains("config.json", "name the directory");
    assertThat(inspect(3, dir).out).contains("no weights", "missing            ");
  }

  @Test
  void aFileListsItsTensors() {
    Path file = dir.resolve("x.safetensors");
    SafeTensors.write(file, Map.of("a", Tensor.zeros(2, 3)), Map.of("note", "mine\u001b[31m"));
    assertThat(inspect(0, file).out)
        .contains("note = mine?[31m", "a  F32  [2 x 3]", "values             6")
        .doesNotContain("verdict", "family");
  }

  @Test
  void machinesGetTheSame() throws IOException {
    Path json = dir.resolve("new/inspect.json");
    inspect(0, PUBLISHED.resolve("llavaphi-2.7b-medmoe"), "--json", json.toString());
    JsonNode root = JsonMapper.shared().readTree(Files.readAllBytes(json));
    assertThat(root.get("model_type").asString()).isEqualTo("moe_llava_phi");
    assertThat(root.get("whole").asBoolean()).isTrue();
    assertThat(root.get("parameters").asLong()).isEqualTo(29_612);
    assertThat(root.get("active_parameters").asLong()).isEqualTo(24_764);
    assertThat(root.get("dtypes").get("BF16").get("bytes").asLong()).isEqualTo(58_952);
    assertThat(root.get("memory").get("cache").asLong()).isEqualTo(512 * 4 * 2 * 16 * 4);
    assertThat(root.get("memory").get("weights").asLong()).isEqualTo(58_952 + 544);
    assertThat(root.get("tensors").size()).isEqualTo(155);
    assertThat(root.get("missing").size()).isZero();
    assertThat(inspect(0, PUBLISHED, "--help").out)
        .contains("Exit status:", "3   a model that is not whole");
  }

  /** Weights of full size that are holes in a file: counts are those of the paper's models. */
  @ParameterizedTest
  @CsvSource({
    "PHI, 1135, '6,448,746,560', '3,931,549,760', 12.01 GiB, 1.25 GiB",
    "STABLELM, 903, '3,615,361,072', '2,369,652,784', 6.73 GiB, 1.50 GiB"
  })
  @DisabledOnOs(OS.WINDOWS)
  void fullSizesAreCountedWithoutReadingWeights(
      Family family, int keys, String all, String active, String weights, String cache)
      throws IOException {
    DecoderConfig d = family == Family.PHI ? DecoderConfig.phi2() : DecoderConfig.stableLm2();
    ModelShape shape = new ModelShape(VisionConfig.clipLarge336(), d, MoeOptions.medMoe());
    Map<String, long[]> tensors = new LinkedHashMap<>();
    CheckpointKeys.of(shape).forEach((key, place) -> tensors.put(key, place.shape()));
    assertThat(tensors).hasSize(keys);
    hollow(dir.resolve("model.safetensors"), "BF16", 2, tensors);
    Files.writeString(dir.resolve("tokenizer.json"), "{}");
    String name = family == Family.PHI ? "llavaphi-2.7b-medmoe" : "llavastablelm-1.6b-medmoe";
    String config = Files.readString(PUBLISHED.resolve(name).resolve("config.json"));
    Map<String, Object> sizes = new LinkedHashMap<>();
    sizes.put("vocab_size", d.vocabulary());
    sizes.put("hidden_size", d.dim());
    sizes.put("intermediate_size", d.intermediate());
    sizes.put("num_hidden_layers", d.layers());
    sizes.put("num_attention_heads", d.heads());
    sizes.put("num_key_value_heads", d.kvHeads());
    sizes.put("max_position_embeddings", d.maxPositions());
    sizes.put("mm_hidden_size", 1024);
    sizes.put("partial_rotary_factor", 0.4);
    for (var e : sizes.entrySet()) {
      config =
          config.replaceAll(
              "\"%s\": [0-9.]+".formatted(e.getKey()),
              "\"%s\": %s".formatted(e.getKey(), e.getValue()));
    }
    List<Integer> layers = MoeOptions.medMoe().layersOf(d.layers());
    config =
        config
            .replaceAll("(?s)\"moe_layers_idx\": \\[.*?\\]", "\"moe_layers_idx\": " + layers)
            .replaceAll("(?s)\"num_experts\": \\[.*?\\]", "\"num_experts\": [4]")
            .replaceAll("/data/models/[^\"]*", "openai/clip-vit-large-patch14-336");
    Files.writeString(dir.resolve("config.json"), config);
    long before = Memory.stats().peak();
    Ran ran = inspect(0, dir);
    assertThat(ran.out)
        .contains(
            "CLIP of 336 x 336 pixels in patches of 14, 24 layers of width 1024",
            "parameters         " + all,
            "active for a token " + active,
            "weights            " + weights,
            "keys and values    " + cache,
            "whole; Theriac reads it");
    assertThat(Memory.stats().peak() - before).isLessThan(1 << 20);
  }

  private static void hollow(Path file, String dtype, int each, Map<String, long[]> tensors)
      throws IOException {
    StringBuilder header = new StringBuilder("{");
    long at = 0;
    for (var e : tensors.entrySet()) {
      long bytes = each * Arrays.stream(e.getValue()).reduce(1, (a, b) -> a * b);
      if (at > 0) header.append(',');
      header.append(
          "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
              .formatted(e.getKey(), dtype, Arrays.toString(e.getValue()), at, at + bytes));
      at += bytes;
    }
    byte[] json = header.append('}').toString().getBytes(StandardCharsets.UTF_8);
    ByteBuffer start = ByteBuffer.allocate(8 + json.length).order(ByteOrder.LITTLE_ENDIAN);
    start.putLong(json.length).put(json).flip();
    try (FileChannel out =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      while (start.hasRemaining()) out.write(start);
      out.write(ByteBuffer.allocate(1), 8 + json.length + at - 1);
    }
  }
}
