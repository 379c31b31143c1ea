package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.io.SafeTensors;
import dev.theriac.llm.CausalLm;
import dev.theriac.llm.CausalLmConfig;
import dev.theriac.llm.Quantisation;
import dev.theriac.llm.quantised.Quantiser;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What {@code theriac inspect} says of partial and foreign directories. */
class InspectFaultsTest extends InspectFixture {
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
    assertThat(inspect(3, dir).out())
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
    assertThat(inspect(3, dir).out())
        .contains("llama.safetensors: unexpected, as nothing reads weights of this name; call it")
        .contains("missing            none", "not whole: see above");
    assertThatThrownBy(() -> CausalLm.load(dir)).hasMessageContaining("no model here");
    // The projector that the first stage leaves has the name that is looked for.
    Path first = published("llavaphi-2.7b-stage1");
    assertThat(inspect(3, first).out()).doesNotContain("as nothing reads");
    Files.move(first.resolve("mm_projector.bin"), first.resolve("projector.bin"));
    assertThat(inspect(3, first).out()).contains("projector.bin: unexpected");
  }

  /** As {@code CausalLm.load} says. */
  @Test
  void twoNamesOfOneTensorAreNamedBoth() {
    causal(CausalLmConfig.Kind.LLAMA, false);
    Map<String, Tensor> weights = new LinkedHashMap<>(SafeTensors.open(dir).tensors());
    weights.put("norm.weight", Tensor.zeros(16));
    SafeTensors.writeModel(dir, weights, Map.of(), 1 << 30);
    String said = "tensors \"model.norm.weight\" and \"norm.weight\" are the same parameter";
    assertThat(inspect(3, dir).out()).contains("problem            " + said);
    assertThatThrownBy(() -> CausalLm.load(dir)).hasMessageContaining("are the same parameter");
    weights.remove("model.norm.weight");
    SafeTensors.writeModel(dir, weights, Map.of(), 1 << 30);
    inspect(0, dir);
  }

  /** Eight bits and a scale for 32, not the sixteen or 32 bits of other tensors. */
  @Test
  void missingQuantisedWeightsCountAsQuantised() throws IOException {
    causal(CausalLmConfig.Kind.LLAMA, false);
    Path eight = dir.resolve("int8");
    new Quantiser(dir, eight, new Quantisation(QuantisedFormat.INT8, false)).run();
    String weights =
        inspect(0, eight).out().lines().filter(l -> l.startsWith("weights ")).findFirst().get();
    var tensors = SafeTensors.open(eight).tensors();
    SafeTensors.writeModel(eight, tensors, Map.of(), 20_000);
    Files.delete(eight.resolve("model-00002-of-%05d.safetensors".formatted(shards(eight))));
    assertThat(inspect(3, eight).out()).contains(weights).containsPattern("missing +[1-9]");
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
    assertThat(inspect(0, dir).out())
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
    assertThat(inspect(3, dir).out())
        .contains(
            "family             gpt_neox (model_type gpt_neox, GPTNeoXForCausalLM)",
            "F32              12 with 768 values, 3,072 bytes",
            "values             768",
            "gpt_neox.layers.{0..11}.attention.dense.weight  F32  [8 x 8]  (12)",
            "not read: Theriac reads clip, clip_vision_model, llama,")
        .doesNotContain("missing ", "active for a token");
    Files.delete(dir.resolve("config.json"));
    assertThat(inspect(3, dir).out())
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
    assertThat(inspect(3, dir).out())
        .contains(said, "model.norm.weight")
        .containsPattern("verdict +not read");
  }

  @Test
  void whatIsNoModelIsAnError() throws IOException {
    assertThat(inspect(1, dir).err())
        .contains(dir.toString(), "no model here: neither config.json nor a file of weights");
    assertThat(inspect(1, dir.resolve("none")).err()).contains("no such file or directory");
    Path file = Files.writeString(dir.resolve("notes.txt"), "hello, this is no model");
    assertThat(inspect(1, file).err()).contains("notes.txt", "not a safetensors file");
    assertThat(inspect(1, dir).err()).contains("no model here");
    Path config = Files.writeString(dir.resolve("config.json"), "{\"model_type\": \"phi\"}");
    assertThat(inspect(1, config).err()).contains("config.json", "name the directory");
    assertThat(inspect(3, dir).out()).contains("no weights", "missing            ");
  }

  @Test
  void aFileListsItsTensors() {
    Path file = dir.resolve("x.safetensors");
    SafeTensors.write(file, Map.of("a", Tensor.zeros(2, 3)), Map.of("note", "mine\u001b[31m"));
    assertThat(inspect(0, file).out())
        .contains("note = mine?[31m", "a  F32  [2 x 3]", "values             6")
        .doesNotContain("verdict", "family");
  }
}
