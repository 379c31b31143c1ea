package dev.theriac.moe.lm;

import static dev.theriac.moe.lm.ReferenceFile.assertClose;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.io.FileException;
import dev.theriac.io.SafeTensors;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.GenerationConfig;
import dev.theriac.llm.Quantisation;
import dev.theriac.llm.quantised.Quantiser;
import dev.theriac.llm.tokenizer.BuiltInTokenizer;
import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.lm.MoeModelConfig.Kind;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Gradients;
import dev.theriac.op.Loss;
import dev.theriac.op.Quantised;
import dev.theriac.op.ShapeFunctions;
import dev.theriac.optim.AdamW;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Against Hugging Face's transformers in F64: {@code reference.py} beside the fixtures. */
class MoeLanguageModelTest {
  private static final double FORWARD = 5e-6;
  private static final double BACKWARD = 2e-5;

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

  /** The models of {@code reference.py}. */
  static List<String> names() {
    return List.of(
        "mixtral", "qwen2_moe", "olmoe", "mixtral-options", "qwen2_moe-options", "olmoe-options");
  }

  private static String name(Kind kind) {
    return kind.name().toLowerCase(java.util.Locale.ROOT);
  }

  private static MoeModelConfig config(Kind kind) {
    return config(name(kind));
  }

  private static MoeModelConfig config(String name) {
    return MoeModelConfig.read(ReferenceFile.path(name + ".json"));
  }

  private static MoeLanguageModel model(Kind kind, ReferenceFile reference) {
    return model(name(kind), reference);
  }

  private static MoeLanguageModel model(String name, ReferenceFile reference) {
    MoeLanguageModel model = new MoeLanguageModel(config(name), new Rng(0));
    model.loadCheckpoint(reference.under("weights."));
    model.train(false);
    return model;
  }

  private static MoeLanguageModel.Forward forward(MoeLanguageModel model, ReferenceFile reference) {
    return model.forward(reference.get("ids"), reference.get("lengths"), reference.get("labels"));
  }

  private static void onEach(Runnable test) {
    for (Backend backend :
        Stream.of(Backends.scalar(), Backends.cpu().backend()).distinct().toList()) {
      Backends.with(
          backend,
          () -> {
            test.run();
            return null;
          });
    }
  }

  @ParameterizedTest
  @MethodSource("names")
  void g01LogitsLossAndGradientsAreThoseOfTransformers(String name) {
    ReferenceFile reference = new ReferenceFile(name);
    MoeLanguageModel model = model(name, reference);
    SequencedMap<String, Tensor> wanted =
        model.config().kind().keys().join(reference.under("gradients."));
    onEach(() -> {
      MoeLanguageModel.Forward out = forward(model, reference);
      Tensor logits = reference.floats("logits");
      long[] lengths = reference.longs("lengths");
      for (int row = 0; row < lengths.length; row++) {
        assertClose(
            "logits of row " + row,
            out.logits().select(0, row).slice(0, 0, lengths[row]),
            logits.select(0, row).slice(0, 0, lengths[row]),
            FORWARD);
      }
      assertClose("loss", out.loss().reshape(1), reference.floats("loss"), FORWARD);
      assertClose("auxiliary", out.auxiliary().reshape(1), reference.floats("auxiliary"), FORWARD);
      Gradients grads = out.loss().backward();
      SequencedMap<String, Parameter> parameters = model.decoder().parameters();
      assertThat(parameters.keySet()).containsExactlyInAnyOrderElementsOf(wanted.keySet());
      parameters.forEach((path, p) ->
          assertClose("gradient of " + path, grads.get(p.value()), wanted.get(path), BACKWARD));
    });
  }

  @ParameterizedTest
  @MethodSource("names")
  void greedyGenerationWithACacheIsThatOfTransformers(String name) {
    ReferenceFile reference = new ReferenceFile(name);
    MoeLanguageModel model = model(name, reference);
    long[] ids = reference.longs("ids");
    long[] lengths = reference.longs("lengths");
    int width = ids.length / lengths.length;
    List<int[]> prompts = new ArrayList<>();
    for (int row = 0; row < lengths.length; row++) {
      prompts.add(
          Arrays.stream(ids, row * width, row * width + (int) lengths[row])
              .mapToInt(Math::toIntExact)
              .toArray());
    }
    onEach(() -> {
      List<int[]> together = model.generate(prompts, GenerationConfig.greedy(7));
      for (int row = 0; row < lengths.length; row++) {
        int[] wanted =
            Arrays.stream(reference.longs("generated." + row)).mapToInt(Math::toIntExact).toArray();
        assertThat(together.get(row)).as("row %d", row).isEqualTo(wanted);
        assertThat(model.generate(prompts.subList(row, row + 1), GenerationConfig.greedy(7)).get(0))
            .as("row %d alone", row)
            .isEqualTo(wanted);
      }
    });
  }

  @Test
  void fillingChangesNoLoss() {
    ReferenceFile reference = new ReferenceFile("olmoe");
    MoeLanguageModel model = model(Kind.OLMOE, reference);
    Tensor lengths = reference.get("lengths");
    long[] ids = reference.longs("ids");
    float loss = forward(model, reference).loss().item();
    for (int t = 6; t < 9; t++) ids[9 + t] = 11;
    assertThat(model.forward(Tensor.of(ids, 2, 9), lengths, reference.get("labels")).loss().item())
        .isEqualTo(loss);
  }

  @ParameterizedTest
  @MethodSource("names")
  void trainingFromFreshWeightsLowersTheLossAndMovesEveryParameter(String name) {
    ReferenceFile reference = new ReferenceFile(name);
    MoeLanguageModel model = new MoeLanguageModel(config(name), new Rng(3));
    Map<String, float[]> before = new LinkedHashMap<>();
    model.parameters().forEach((path, p) -> before.put(path, p.value().toFloats()));
    float first = forward(model, reference).loss().item();
    try (AdamW optimizer = AdamW.of(model.parameters(), 0.01)) {
      for (int step = 0; step < 15; step++) {
        try (Scope _ = Scope.open()) {
          optimizer.step(forward(model, reference).loss().backward(), 1, 1);
        }
      }
    }
    assertThat(forward(model, reference).loss().item()).isLessThan(0.8f * first);
    model
        .parameters()
        .forEach(
            (path, p) -> assertThat(p.value().toFloats()).as(path).isNotEqualTo(before.get(path)));
  }

  @Test
  void configurationsAreRead() {
    MoeModelConfig mixtral = config(Kind.MIXTRAL);
    assertThat(mixtral.decoder().headDim()).isEqualTo(6);
    assertThat(mixtral.decoder().ropeTheta()).isEqualTo(1e6);
    assertThat(mixtral.weighting()).isEqualTo(Weighting.RENORMALISED);
    MoeModelConfig qwen = config(Kind.QWEN2_MOE);
    assertThat(qwen.moeLayers()).containsExactly(0, 2);
    assertThat(qwen.decoder().qkvBias()).isTrue();
    assertThat(qwen.sharedWidth()).isEqualTo(12);
    assertThat(config("qwen2_moe-options").decoder().options().windowedLayers()).containsExactly(0);
    assertThat(config("qwen2_moe-options").moeLayers()).containsExactly(1, 3);
    MoeModelConfig olmoe = config(Kind.OLMOE);
    assertThat(olmoe.decoder().qkNorm()).isTrue();
    assertThat(olmoe.weighting()).isEqualTo(Weighting.PROBABILITY);
    assertThat(MoeModelConfig.layers(6, 2, List.of(3))).containsExactly(1, 5);
  }

  @Test
  void publishedShapesHaveAsManyValues() {
    assertThat(MoeModelConfig.mixtral8x7b().parameterCount()).isEqualTo(46_702_792_704L);
    assertThat(MoeModelConfig.olmoe1b7b().parameterCount()).isEqualTo(6_919_161_856L);
    assertThat(MoeModelConfig.qwen15MoeA27b().parameterCount()).isEqualTo(14_315_784_192L);
    assertThat(MoeModelConfig.mixtral8x7b().activeParameterCount())
        .isCloseTo(12_900_000_000L, within(50_000_000L));
    for (String name : names()) {
      MoeModelConfig small = config(name);
      MoeLanguageModel model = new MoeLanguageModel(small, new Rng(0));
      assertThat(model.parameterCount()).as(name).isEqualTo(small.parameterCount());
      SequencedMap<String, long[]> shapes = MoeParameters.of(small);
      SequencedMap<String, Parameter> made = model.decoder().parameters();
      assertThat(shapes.keySet()).as(name).containsExactlyElementsOf(made.keySet());
      made.forEach((path, p) ->
          assertThat(p.value().shape()).as("%s, %s", name, path).isEqualTo(shapes.get(path)));
    }
  }

  /**
   * What is written stays in target/moe-lm, with the logits, for {@code check_saved.py} beside the
   * fixtures to look at with transformers.
   */
  @ParameterizedTest
  @MethodSource("names")
  void modelDirectoriesComeBackAsTheyWere(String name) {
    ReferenceFile reference = new ReferenceFile(name);
    MoeLanguageModel model = model(name, reference);
    Path out = Path.of("target", "moe-lm", name);
    model.save(out);
    assertThat(SafeTensors.open(out).keys())
        .containsExactlyInAnyOrderElementsOf(reference.under("weights.").keySet());
    MoeLanguageModel back = MoeLanguageModel.load(out);
    assertThat(back.config()).isEqualTo(model.config());
    Tensor logits = forward(model, reference).logits();
    assertThat(forward(back, reference).logits().toFloats()).isEqualTo(logits.toFloats());
    SequencedMap<String, Tensor> answer = new LinkedHashMap<>();
    for (String key : List.of("ids", "lengths")) answer.put(key, reference.get(key));
    answer.put("logits", logits);
    SafeTensors.write(out.resolve("theriac.safetensors"), answer, Map.of());
  }

  /** As models were published before safetensors. */
  @Test
  void tokenizerAndSettingsTravelAlong() throws IOException {
    MoeLanguageModel fresh = new MoeLanguageModel(wide(), new Rng(5));
    assertThat(fresh.generation()).isEqualTo(GenerationConfig.greedy(20, 2));
    assertThatThrownBy(fresh::tokenizer).isInstanceOf(IllegalStateException.class);
    Path from = dir.resolve("from");
    fresh.save(from);
    BuiltInTokenizer.load().save(from);
    GenerationConfig settings = new GenerationConfig(9, 0.5, 3, 0.9, 1.1, 0, Set.of(7));
    Files.writeString(from.resolve("generation_config.json"), settings.json());
    MoeLanguageModel opened = MoeLanguageModel.load(from);
    assertThat(opened.generation()).isEqualTo(settings);
    int[] liver = BuiltInTokenizer.load().encode("liver");
    assertThat(opened.tokenizer().encode("liver")).isEqualTo(liver);
    // Once as files that nobody opened, once from the open tokenizer.
    MoeLanguageModel.load(from).save(dir.resolve("unopened"));
    opened.save(dir.resolve("opened"));
    for (String name : List.of("unopened", "opened")) {
      MoeLanguageModel again = MoeLanguageModel.load(dir.resolve(name));
      assertThat(again.generation()).isEqualTo(settings);
      assertThat(again.tokenizer().encode("liver")).isEqualTo(liver);
      assertThat(dir.resolve(name).resolve("tokenizer.json"))
          .hasSameBinaryContentAs(from.resolve("tokenizer.json"));
    }
  }

  @Test
  void shardsOfPyTorchAreReadToo() throws IOException {
    try (Stream<Path> files = Files.list(ReferenceFile.path("mixtral-torch"))) {
      for (Path file : files.toList()) Files.copy(file, dir.resolve(file.getFileName()));
    }
    Files.copy(ReferenceFile.path("mixtral.json"), dir.resolve("config.json"));
    ReferenceFile reference = new ReferenceFile("mixtral");
    assertThat(forward(MoeLanguageModel.load(dir), reference).logits().toFloats())
        .isEqualTo(forward(model(Kind.MIXTRAL, reference), reference).logits().toFloats());
  }

  @Test
  void whatIsNotSupportedIsRefusedByName() throws IOException {
    String text = Files.readString(ReferenceFile.path("mixtral.json"));
    assertRefused(text.replace("\"mixtral\"", "\"mistral\""), "model_type", "qwen2_moe");
    assertRefused(
        text.replace("\"sliding_window\": null", "\"sliding_window\": -8"), "sliding_window");
    assertRefused(
        text.replace("\"rope_type\": \"default\"", "\"rope_type\": \"mrope\""), "rope_type");
    assertRefused(text.replace("\"silu\"", "\"quick_gelu\""), "hidden_act");
    assertRefused(
        text.replace("\"num_local_experts\": 5", "\"num_local_experts\": 2000000000"),
        "num_local_experts");
    assertRefused(
        text.replace("\"num_local_experts\": 5", "\"num_local_experts\": 65536")
            .replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 4096"),
        "65536 experts in 4096 layers");
    assertRefused(
        text.replace("\"router_jitter_noise\": 0.0", "\"router_jitter_noise\": 1"),
        "router_jitter_noise");
    assertRefused(
        text.replace("\"num_experts_per_tok\": 2", "\"num_experts_per_tok\": 9"), "top-9 of 5");
    String olmoe = Files.readString(ReferenceFile.path("olmoe.json"));
    assertRefused(olmoe.replace("\"clip_qkv\": null", "\"clip_qkv\": -8.0"), "clip_qkv");
    assertRefused(olmoe.replace("\"clip_qkv\": null", "\"sliding_window\": 8"), "sliding_window");
    String older = text.replaceAll("(?s)\"rope_parameters\": \\{.*?\\},", "\"rope_theta\": 5e5,");
    assertThat(MoeModelConfig.read(write(older)).decoder().ropeTheta()).isEqualTo(5e5);
  }

  /** transformers runs them too: the weight of the one expert is 1. */
  @Test
  void aSingleRenormalisedExpertAnswersAndComesBack() throws IOException {
    String text = Files.readString(ReferenceFile.path("mixtral.json"));
    MoeModelConfig single =
        MoeModelConfig.read(
            write(text.replace("\"num_experts_per_tok\": 2", "\"num_experts_per_tok\": 1")));
    assertThat(single.topK()).isEqualTo(1);
    MoeLanguageModel model = new MoeLanguageModel(single, new Rng(5));
    model.train(false);
    model.save(dir);
    MoeLanguageModel back = MoeLanguageModel.load(dir);
    Tensor ids = Tensor.of(new long[] {1, 5, 9}, 1, 3);
    MoeLanguageModel.Forward out = back.forward(ids, null, ids);
    for (var routing : out.routing()) {
      assertThat(routing.weights().toFloats()).containsExactly(1, 1, 1);
    }
    assertThat(out.logits().toFloats())
        .isEqualTo(model.forward(ids, null, ids).logits().toFloats());
  }

  /** Also a check that loading makes nothing of the weights' size but what is stacked. */
  @Test
  void loadingDrawsNothingAndTakesTheMemoryOfTheExpertsAlone() {
    MoeModelConfig shape = wide();
    MoeLanguageModel model = new MoeLanguageModel(shape, new Rng(5));
    model.save(dir);
    long experts = 0;
    for (var p : model.parameters().entrySet()) {
      if (p.getKey().contains("experts")) experts += 4 * p.getValue().value().size();
    }
    assertThat(experts).isGreaterThan(1 << 20);
    long whole = 4 * model.parameterCount();
    assertThat(whole).isGreaterThan(3 * experts);
    System.gc();
    Memory.resetPeak();
    long before = Memory.stats().live();
    MoeLanguageModel back = MoeLanguageModel.load(dir);
    // Blocks come in size classes, a quarter apart.
    assertThat(Memory.stats().peak() - before).isLessThan(experts * 5 / 4 + (1 << 19));
    back.parameters()
        .forEach((path, p) ->
            assertThat(p.value().toFloats())
                .as(path)
                .isEqualTo(model.parameters().get(path).value().toFloats()));
  }

  @Test
  void expertsThatDoNotFitTheLimitAreRefusedBeforeLoading() {
    new MoeLanguageModel(wide(), new Rng(5)).save(dir);
    long limit = Memory.stats().limit();
    Memory.trim();
    try {
      Memory.setLimit(Memory.stats().live() + (1 << 19));
      assertThatThrownBy(() -> MoeLanguageModel.load(dir))
          .isInstanceOf(FileException.class)
          .hasMessageContainingAll(
              dir.toString(), "1327104 bytes", "theriac.memory.limit", "raise");
    } finally {
      Memory.setLimit(limit);
    }
  }

  /** With a vocabulary that outweighs the experts. */
  private static MoeModelConfig wide() {
    var decoder =
        new DecoderConfig(Family.LLAMA, 32768, 48, 96, 2, 2, 2, 24, 1e4, 64, 1e-5, 0, 0.02);
    List<Integer> layers = List.of(0, 1);
    return new MoeModelConfig(
        Kind.MIXTRAL, decoder, 12, 2, Weighting.RENORMALISED, 96, 0, layers, 0.02, 0, List.of(2));
  }

  @Test
  void aTextOfOneTokenTeachesNothingAndAnEmptyOneIsAnError() {
    MoeModelConfig shape = config(Kind.MIXTRAL);
    MoeLanguageModel model = new MoeLanguageModel(shape, new Rng(5));
    Tensor ids = Tensor.of(new long[] {3, 7}, 2, 1);
    MoeLanguageModel.Forward out = model.forward(ids, null, ids);
    assertThat(out.crossEntropy().item()).isZero();
    assertThat(out.logits().shape()).containsExactly(2, 1, shape.decoder().vocabulary());
    float wanted = (float) shape.auxiliaryCoefficient() * out.auxiliary().item();
    assertThat(out.loss().item()).isEqualTo(wanted);
    Gradients grads = out.crossEntropy().backward();
    model
        .parameters()
        .forEach((path, p) -> {
          Tensor g = grads.get(p.value());
          if (g != null) assertThat(g.toFloats()).as(path).containsOnly(0);
        });
    Tensor none = Tensor.of(new long[0], 2, 0);
    assertThatThrownBy(() -> model.forward(none, null, none))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("[2, 0]", "one token or more");
    assertThatThrownBy(() -> model.forward(ids, null, Tensor.of(new long[] {3}, 1, 1)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("[1, 1]", "[2, 1]");
  }

  /** The logits are there once, before and in the backward pass. */
  @Test
  void theLossHoldsNoSecondTensorOfLogits() {
    MoeLanguageModel model = new MoeLanguageModel(wide(), new Rng(5));
    long[] ids = new long[256];
    for (int i = 0; i < ids.length; i++) ids[i] = i * 31 % 32768;
    Tensor text = Tensor.of(ids, 2, 128);
    long logits = 4L * ids.length * 32768;
    long before = Memory.stats().live();
    Memory.resetPeak();
    MoeLanguageModel.Forward out = model.forward(text, null, text);
    assertThat(Memory.stats().peak() - before).isBetween(logits, logits * 5 / 4);
    Memory.resetPeak();
    out.loss().backward();
    // Beside them the gradients of two matrices [V, d].
    assertThat(Memory.stats().peak() - before).isLessThan(logits * 7 / 4);
  }

  /** Labels are moved to the logits that predict them; moving the logits would be the same. */
  @Test
  void theLossIsThatOfEachPositionButTheLast() {
    MoeModelConfig shape = config(Kind.MIXTRAL);
    long vocabulary = shape.decoder().vocabulary();
    MoeLanguageModel model = new MoeLanguageModel(shape, new Rng(5));
    model.train(false);
    long[] ids = {3, 7, 1, 5, 2, 4, 6, 0, 1, 8};
    long[] labels = {3, 7, 1, Loss.IGNORE_INDEX, 2, 4, 6, 0, 1, 8};
    Tensor text = Tensor.of(ids, 2, 5);
    MoeLanguageModel.Forward out = model.forward(text, null, Tensor.of(labels, 2, 5));
    Tensor logits = model.forward(text, null, null).logits().slice(1, 0, 4).reshape(8, vocabulary);
    Tensor wanted = Tensor.of(labels, 2, 5).slice(1, 1, 5).reshape(8);
    Tensor entropy = Loss.crossEntropy(logits, wanted);
    assertThat(out.crossEntropy().item()).isCloseTo(entropy.item(), within(1e-6f));
    Gradients found = out.crossEntropy().backward();
    Gradients slow = entropy.backward();
    model
        .parameters()
        .forEach((path, p) -> {
          Tensor g = slow.get(p.value());
          if (g == null) assertThat(found.get(p.value())).as(path).isNull();
          else assertThat(found.get(p.value()).toFloats()).as(path).isEqualTo(g.toFloats());
        });
  }

  /** What transformers takes where a file says nothing. */
  @Test
  void defaultsAreThoseOfTransformers() throws IOException {
    MoeModelConfig mixtral = MoeModelConfig.read(write("{\"model_type\": \"mixtral\"}"));
    assertThat(mixtral.decoder().kvHeads()).isEqualTo(8);
    assertThat(mixtral.decoder().ropeTheta()).isEqualTo(1e6);
    assertThat(mixtral.decoder().options().slidingWindow()).isZero();
    assertThat(mixtral.parameterCount()).isEqualTo(46_702_792_704L);
    MoeModelConfig qwen = MoeModelConfig.read(write("{\"model_type\": \"qwen2_moe\"}"));
    assertThat(qwen.parameterCount()).isEqualTo(14_315_784_192L);
    MoeModelConfig olmoe = MoeModelConfig.read(write("{\"model_type\": \"olmoe\"}"));
    assertThat(olmoe.padId()).isEqualTo(1);
    assertThat(olmoe.endIds()).containsExactly(50279);
    assertThat(olmoe.topK()).isEqualTo(8);
  }

  private Path write(String text) throws IOException {
    return Files.writeString(dir.resolve("config.json"), text);
  }

  private void assertRefused(String text, String... wanted) throws IOException {
    Path file = write(text);
    assertThatThrownBy(() -> MoeModelConfig.read(file))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("config.json")
        .hasMessageContainingAll(wanted);
  }

  @Test
  void aCheckpointThatLacksAnExpertIsRefusedByKey() {
    ReferenceFile reference = new ReferenceFile("mixtral");
    Map<String, Tensor> weights = reference.under("weights.");
    weights.remove("model.layers.1.block_sparse_moe.experts.2.w3.weight");
    MoeLanguageModel model = new MoeLanguageModel(config(Kind.MIXTRAL), new Rng(0));
    assertThatThrownBy(() -> model.loadCheckpoint(weights))
        .hasMessageContaining("model.layers.1.block_sparse_moe.experts.2.w3.weight");
    weights.remove("model.norm.weight");
    model(Kind.MIXTRAL, reference).save(dir);
    SafeTensors.writeModel(dir, weights, Map.of("format", "pt"), 1L << 40);
    assertThatThrownBy(() -> MoeLanguageModel.load(dir))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("experts.2.w3.weight");
  }

  /** Experts, shared experts and attention as matrices, with the logits of what they stand for. */
  @ParameterizedTest
  @MethodSource("names")
  void quantisedExpertsHaveTheLogitsOfTheValuesTheyStandFor(String name) {
    ReferenceFile reference = new ReferenceFile(name);
    Path from = dir.resolve("plain");
    model(name, reference).save(from);
    for (QuantisedFormat format : QuantisedFormat.values()) {
      Path out = dir.resolve(format.name());
      new Quantiser(from, out, new Quantisation(format, false)).run();
      MoeLanguageModel quantised = MoeLanguageModel.load(out);
      MoeLanguageModel exact = MoeLanguageModel.load(from);
      quantised
          .decoder()
          .parameters()
          .forEach((path, p) -> {
            assertThat(p.isQuantised())
                .as(path)
                .isEqualTo(path.matches("layers\\..*_proj\\.weight"));
            if (!p.isQuantised()) return;
            List<Tensor> each = p.quantised().stream().map(Quantised::dequantise).toList();
            Parameter to = exact.decoder().parameters().get(path);
            to.set(
                to.isStacked()
                    ? ShapeFunctions.concat(0, each.stream().map(t -> t.unsqueeze(0)).toList())
                    : each.getFirst());
          });
      onEach(() ->
          assertClose(
              "logits",
              forward(quantised, reference).logits(),
              forward(exact, reference).logits(),
              FORWARD));
      List<int[]> prompts = List.of(new int[] {1, 2, 3}, new int[] {4});
      GenerationConfig settings = GenerationConfig.greedy(5);
      assertThat(quantised.generate(prompts, settings).toArray(int[][]::new))
          .isDeepEqualTo(exact.generate(prompts, settings).toArray(int[][]::new));
    }
  }
}
