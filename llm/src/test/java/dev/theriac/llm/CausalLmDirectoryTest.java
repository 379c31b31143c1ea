package dev.theriac.llm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.io.FileException;
import dev.theriac.io.SafeTensors;
import dev.theriac.llm.quantised.Quantiser;
import dev.theriac.llm.tokenizer.BuiltInTokenizer;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Autograd;
import dev.theriac.optim.AdamW;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Model directories, written and read. */
class CausalLmDirectoryTest extends CausalFixture {
  private static Tensor logits(CausalLm model, CausalReference reference) {
    return Autograd.noGrad(
        () -> model.forward(reference.get("ids"), reference.mask(), null).logits());
  }

  /**
   * Shards in BF16 as transformers has them, read, written, and read again, with the bits of the
   * same weights in F32. What is written stays in target/causal, with the logits, for {@code
   * causal/check_saved.py} to look at with transformers.
   */
  @ParameterizedTest
  @MethodSource("names")
  void whatIsWrittenIsWhatWasRead(String name) throws IOException {
    CausalReference reference = new CausalReference(name);
    CausalLm model = CausalLm.load(published(name));
    model
        .decoder()
        .parameters()
        .forEach((path, p) -> assertThat(p.value().dtype()).as(path).isEqualTo(DType.BF16));
    Tensor wanted = logits(model, reference);
    assertThat(CausalReference.distance(name, wanted, logits(reference.model(), reference), null))
        .isLessThan(1e-6);
    Path out = Path.of("target", "causal", name);
    model.save(out);
    CausalLm again = CausalLm.load(out);
    assertThat(again.config()).isEqualTo(model.config());
    assertThat(logits(again, reference).toFloats()).isEqualTo(wanted.toFloats());
    SequencedMap<String, Tensor> answer = new LinkedHashMap<>();
    for (String key : List.of("ids", "mask")) answer.put(key, reference.get(key));
    answer.put("logits", wanted);
    SafeTensors.write(out.resolve("theriac.safetensors"), answer, Map.of());
  }

  @Test
  void tokenizerAndSettingsTravelAlong() throws IOException {
    CausalReference reference = new CausalReference("llama");
    Path from = published("llama");
    BuiltInTokenizer.load().save(from);
    GenerationConfig settings = new GenerationConfig(9, 0.5, 3, 0.9, 1.1, 0, java.util.Set.of(7));
    Files.writeString(from.resolve("generation_config.json"), settings.json());
    CausalLm model = CausalLm.load(from);
    assertThat(model.generation()).isEqualTo(settings);
    assertThat(model.tokenizer().encode("liver"))
        .isEqualTo(BuiltInTokenizer.load().encode("liver"));
    // Once as files that nobody opened, once from the open tokenizer.
    CausalLm.load(from).save(dir.resolve("unopened"));
    model.save(dir.resolve("opened"));
    for (String name : List.of("unopened", "opened")) {
      CausalLm again = CausalLm.load(dir.resolve(name));
      assertThat(again.generation()).isEqualTo(settings);
      assertThat(again.tokenizer().encode("liver")).isEqualTo(model.tokenizer().encode("liver"));
    }
  }

  /** Loading maps; generating widens as it reads: neither makes a copy of the weights. */
  @Test
  void narrowWeightsStayInTheirFile() throws IOException {
    DecoderConfig shape = new CausalReference("llama").config().decoder();
    var wide =
        new DecoderConfig(shape.family(), 8192, 256, 1024, 4, 4, 4, 64, 1e4, 64, 1e-5, 0, 0.02);
    var config = new CausalLmConfig(CausalLmConfig.Kind.LLAMA, wide, null, List.of(), null);
    long bytes;
    for (DType type : new DType[] {DType.BF16, DType.F16}) {
      Path to = dir.resolve(type.name());
      try (Scope _ = Scope.open()) {
        CausalLm model = new CausalLm(config, new Rng(1));
        model.parameters().forEach((path, p) -> p.set(p.value().to(type)));
        model.save(to);
        bytes = model.parameterCount() * 2;
        model.parameters().values().stream().map(Parameter::value).forEach(Tensor::close);
      }
      Memory.resetPeak();
      long before = Memory.stats().live();
      CausalLm model = CausalLm.load(to);
      assertThat(Memory.stats().live() - before).as("loaded").isLessThan(bytes / 20);
      model.parameters().values().forEach(p -> assertThat(p.value().dtype()).isEqualTo(type));
      model.generate(List.of(new int[] {1, 2, 3}), GenerationConfig.greedy(3));
      assertThat(Memory.stats().peak() - before).as("generated").isLessThan(bytes / 4);
    }
  }

  /** Weights that are trained leave their file, which stays as it was. */
  @Test
  void trainingLeavesTheFileAlone() throws IOException {
    CausalReference reference = new CausalReference("stablelm");
    SequencedMap<String, Tensor> weights = reference.weights(true);
    Path from = published("stablelm", weights);
    CausalLm model = CausalLm.load(from);
    model.train(true);
    Tensor labels = reference.get("labels");
    float first = model.forward(reference.get("ids"), reference.mask(), labels).loss().item();
    try (AdamW optimizer = AdamW.of(model.parameters(), 0.01)) {
      for (int step = 0; step < 3; step++) {
        optimizer.step(
            model.forward(reference.get("ids"), reference.mask(), labels).loss().backward(), 1, 1);
      }
    }
    assertThat(model.forward(reference.get("ids"), reference.mask(), labels).loss().item())
        .isLessThan(first);
    assertThat(logits(CausalLm.load(from), reference).toFloats())
        .isEqualTo(logits(reference.model(), reference).toFloats());
  }

  @Test
  void saysWhatIsMissingOrUnknown() throws IOException {
    CausalReference reference = new CausalReference("qwen2");
    SequencedMap<String, Tensor> weights = reference.weights(false);
    Path from = published("qwen2", weights);
    String lost = "model.layers.1.self_attn.k_proj.bias";
    Tensor bias = weights.remove(lost);
    SafeTensors.writeModel(from, weights, Map.of(), 1 << 20);
    assertThatThrownBy(() -> CausalLm.load(from))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("1 missing, such as \"" + lost)
        .hasMessageContaining("none unknown");
    weights.put(lost, bias.reshape(2, 12));
    SafeTensors.writeModel(from, weights, Map.of(), 1 << 20);
    assertThatThrownBy(() -> CausalLm.load(from))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("layers.1.self_attn.k_proj.bias\" is BF16[2, 12], config.json")
        .hasMessageContaining("F32[24]");
    weights.put(lost, bias);
    weights.put("model.layers.0.rotary_emb.inv_freq", Tensor.zeros(3));
    SafeTensors.writeModel(from, weights, Map.of(), 1 << 20);
    CausalLm.load(from);
    weights.put("model.layers.2.input_layernorm.weight", Tensor.zeros(24));
    SafeTensors.writeModel(from, weights, Map.of(), 1 << 20);
    assertThatThrownBy(() -> CausalLm.load(from))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("1 unknown, such as \"model.layers.2.input_layernorm.weight");
    weights.remove("model.layers.2.input_layernorm.weight");
    weights.put("norm.weight", Tensor.zeros(24));
    SafeTensors.writeModel(from, weights, Map.of(), 1 << 20);
    assertThatThrownBy(() -> CausalLm.load(from))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("\"norm.weight\" and \"model.norm.weight\" are the same parameter");
    assertThatThrownBy(() -> reference.model().loadCheckpoint(weights))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("\"model.norm.weight\" and \"norm.weight\" are the same parameter");
    var eight = new Quantisation(QuantisedFormat.INT8, false);
    assertThatThrownBy(() -> new Quantiser(from, dir.resolve("int8"), eight))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("\"norm.weight\" and \"model.norm.weight\" are the same parameter");
    try (Stream<Path> files = Files.list(from)) {
      for (Path f : files.filter(f -> f.toString().endsWith(".safetensors")).toList()) {
        Files.delete(f);
      }
    }
    assertThatThrownBy(() -> CausalLm.load(from)).isInstanceOf(FileException.class);
    assertThatThrownBy(() -> CausalLm.load(dir.resolve("nowhere")))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("config.json");
  }

  /** A table that is the head too is stored once, and a head beside it is not taken. */
  @Test
  void aTiedHeadIsStoredOnce() throws IOException {
    CausalReference reference = new CausalReference("llama-options");
    SequencedMap<String, Tensor> weights = reference.weights(false);
    Tensor table = weights.get("model.embed_tokens.weight");
    weights.put("lm_head.weight", Tensor.zeros(table.shape()).to(DType.BF16));
    CausalLm model = CausalLm.load(published("llama-options", weights));
    assertThat(
            CausalReference.distance(
                "logits", logits(model, reference), logits(reference.model(), reference), null))
        .isLessThan(1e-6);
    assertThat(model.checkpoint()).doesNotContainKey("lm_head.weight");
  }

  /** As models were published before safetensors: {@code causal/make_torch.py}. */
  @ParameterizedTest
  @CsvSource({"phi-options, torch", "qwen2-yarn, torch-shards"})
  void filesOfPyTorchGiveTheSameLogits(String name, String folder) throws IOException {
    CausalReference reference = new CausalReference(name);
    try (Stream<Path> files = Files.list(CausalReference.path(folder))) {
      for (Path file : files.toList()) Files.copy(file, dir.resolve(file.getFileName()));
    }
    Files.copy(CausalReference.path(name + ".json"), dir.resolve("config.json"));
    Tensor wanted = logits(CausalLm.load(published(name)), reference);
    CausalLm model = CausalLm.load(dir);
    assertThat(logits(model, reference).toFloats()).isEqualTo(wanted.toFloats());
    assertThat(model.generate(reference.prompts(), GenerationConfig.greedy(8)).getFirst())
        .isEqualTo(Arrays.copyOf(reference.tokens("generated", 0), 8));
    model.save(dir);
    assertThat(dir.resolve("model.safetensors")).exists();
    assertThat(logits(CausalLm.load(dir), reference).toFloats()).isEqualTo(wanted.toFloats());
  }

  /** What a file must hold is known without the model. */
  @ParameterizedTest
  @MethodSource("names")
  void shapesAreThoseOfTheModel(String name) {
    DecoderConfig config = new CausalReference(name).config().decoder();
    SequencedMap<String, long[]> shapes = DecoderParameters.of(config);
    var made = new Decoder(config, new Rng(1)).parameters();
    assertThat(shapes.keySet()).containsExactlyElementsOf(made.keySet());
    made.forEach((path, p) -> assertThat(p.value().shape()).as(path).isEqualTo(shapes.get(path)));
  }
}
