package dev.theriac.moe.lm;

import static dev.theriac.moe.lm.ReferenceFile.assertClose;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.io.FileException;
import dev.theriac.io.SafeTensors;
import dev.theriac.llm.GenerationConfig;
import dev.theriac.llm.Quantisation;
import dev.theriac.llm.quantised.Quantiser;
import dev.theriac.llm.tokenizer.BuiltInTokenizer;
import dev.theriac.moe.lm.MoeModelConfig.Kind;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Quantised;
import dev.theriac.op.ShapeFunctions;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Directories of language models of experts, written and read. */
class MoeLanguageModelDirectoryTest extends MoeLanguageModelFixture {
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
      onEach(() -> {
        Tensor got = forward(quantised, reference).logits();
        Tensor wanted = forward(exact, reference).logits();
        // GELU is rounded before it multiplies, but in the fused operation.
        boolean gelu = name.matches("(mixtral|olmoe)-options");
        if (format.hasScales() || gelu) assertClose("logits", got, wanted, FORWARD);
        else assertThat(got.toFloats()).isEqualTo(wanted.toFloats());
      });
      List<int[]> prompts = List.of(new int[] {1, 2, 3}, new int[] {4});
      GenerationConfig settings = GenerationConfig.greedy(5);
      assertThat(quantised.generate(prompts, settings).toArray(int[][]::new))
          .isDeepEqualTo(exact.generate(prompts, settings).toArray(int[][]::new));
    }
  }
}
