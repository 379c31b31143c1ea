package dev.theriac.vision;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.io.FileException;
import dev.theriac.io.SafeTensors;
import dev.theriac.op.Autograd;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class VisionDirectoryTest {
  @TempDir Path dir;

  /** check_saved.py shows that transformers reads these folders and computes the same. */
  @ParameterizedTest
  @ValueSource(strings = {"clip", "clip-projection", "siglip", "siglip-no-head"})
  void whatIsWrittenIsWhatTransformersWasShownToRead(String name) throws IOException {
    VisionDirectory.save(VisionDirectory.load(ModelFixtures.folder(name)), dir);
    Path saved = ModelFixtures.folder("saved/" + name);
    assertThat(dir.resolve("config.json")).hasSameTextualContentAs(saved.resolve("config.json"));
    assertThat(dir.resolve("model.safetensors"))
        .hasSameBinaryContentAs(saved.resolve("model.safetensors"));
    try (var files = Files.list(dir)) {
      assertThat(files.map(f -> f.getFileName().toString()))
          .containsExactlyInAnyOrder("config.json", "model.safetensors");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"clip-whole", "clip-silu", "siglip-whole"})
  void savedShardsReadBackTheSame(String name) {
    VisionTransformer model = VisionDirectory.load(ModelFixtures.folder(name));
    VisionDirectory.save(model, dir, 4000);
    assertThat(dir.resolve("model.safetensors.index.json")).exists();
    VisionTransformer again = VisionDirectory.load(dir);
    assertThat(again.config()).isEqualTo(model.config());
    try (Scope _ = Scope.open()) {
      Tensor images = ModelFixtures.expected(name).get("images").to(DType.F32);
      float[] wanted = Autograd.noGrad(() -> model.pooled(images)).toFloats();
      assertThat(Autograd.noGrad(() -> again.pooled(images)).toFloats()).isEqualTo(wanted);
    }
    model
        .parameters()
        .forEach((path, p) -> {
          Tensor value = again.parameters().get(path).value();
          assertThat(value.dtype()).isEqualTo(p.value().dtype());
        });
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "clip|\"hidden_size\": 24|\"hidden_size\": \"24\"|\"hidden_size\" is \"24\"; a whole"
            + " number",
        "clip|\"hidden_size\": 24|\"hidden_size\": -24|\"hidden_size\" is -24; a whole number from"
            + " 1",
        "clip|\"hidden_size\": 24|\"hidden_size\": 21|tensor \"embeddings.class_embedding\" is"
            + " F32[24], config.json describes F32[21]",
        "clip|\"num_attention_heads\": 3|\"num_attention_heads\": 5|\"num_attention_heads\" is 5; a"
            + " divisor of hidden_size 24",
        "clip|\"num_hidden_layers\": 2|\"num_hidden_layers\": 1|16 unknown, such as"
            + " \"encoder.layers.1.",
        "clip|\"num_hidden_layers\": 2|\"num_hidden_layers\": 3|16 missing, such as"
            + " \"vision_model.encoder.layers.2.",
        "clip|\"num_hidden_layers\": 2|\"num_hidden_layers\": 1000000000|\"num_hidden_layers\" is",
        "clip|\"image_size\": 16|\"image_size\": [16, 32]|\"image_size\" is [16,32]; a whole"
            + " number",
        "clip|\"image_size\": 16|\"image_size\": 32|config.json describes F32[17, 24]",
        "clip|\"patch_size\": 8|\"patch_size\": 80|\"patch_size\" is 80; at most image_size",
        "clip|\"quick_gelu\"|\"mish\"|\"hidden_act\" is \"mish\"; quick_gelu, gelu,",
        "clip|\"attention_dropout\": 0.0|\"attention_dropout\": 0.5|\"attention_dropout\" is 0.5; 0"
            + " is wanted",
        "clip|\"layer_norm_eps\": 1e-05|\"layer_norm_eps\": -1|\"layer_norm_eps\" is -1",
        "clip|clip_vision_model|dinov2|\"model_type\" is \"dinov2\"; one of clip,",
        "clip|\"model_type\"|\"quantization_config\": {}, \"model_type\"|\"quantization_config\"",
        "clip|{|[|not valid JSON",
        "clip-whole|\"vision_config\": {|\"vision_config\": 3, \"other\": {|\"vision_config\" is 3",
        "clip-whole|\"patch_size\": 8|\"patch_size\": true|\"vision_config.patch_size\" is true",
        "clip-projection|\"projection_dim\": 10|\"projection_dim\": 11|describes F32[11, 24]",
        "siglip|\"num_channels\": 3|\"num_channels\": 4|describes F32[24, 4, 8, 8]",
        "siglip-no-head|\"vision_use_head\": false|\"vision_use_head\": true|11 missing, such as"
            + " \"vision_model.head.",
        "siglip-no-head|\"vision_use_head\": false|\"vision_use_head\": 0|\"vision_use_head\" is 0;"
            + " true or false",
      })
  void aWrongConfigurationNamesFileAndField(String name, String from, String to, String said)
      throws IOException {
    Path config = ModelFixtures.copy(name, dir).resolve("config.json");
    String text = Files.readString(config);
    assertThat(text).contains(from);
    Files.writeString(config, text.replace(from, to));
    assertThatThrownBy(() -> VisionDirectory.load(dir))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(dir.toString())
        .hasMessageContaining(said);
  }

  @Test
  void fieldsThatAreMissingHaveTheDefaultsOfTransformers() throws IOException {
    Path config = dir.resolve("config.json");
    Files.writeString(config, "{\"model_type\": \"clip\", \"projection_dim\": 7}");
    assertThat(VisionConfigFile.read(config, true))
        .isEqualTo(VisionConfig.clipBase32().withProjection(7));
    Files.writeString(
        config,
        """
        {"model_type": "clip", "vision_config_dict": {"patch_size": 14, "hidden_size": 1024,
         "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24,
         "unknown": 1}, "vision_config": {"patch_size": 13}}
        """);
    assertThat(VisionConfigFile.read(config, false))
        .isEqualTo(VisionConfig.clipLarge14().withFeature(-1, VisionConfig.Feature.PATCH));
    Files.writeString(config, "{\"model_type\": \"siglip_vision_model\"}");
    assertThat(VisionConfigFile.read(config, false)).isEqualTo(VisionConfig.siglipBase16(224));
  }

  @Test
  void filesOfPyTorchGiveTheSameModel() {
    var wanted = VisionDirectory.load(ModelFixtures.folder("clip")).parameters();
    var read = VisionDirectory.load(ModelFixtures.folder("clip-torch")).parameters();
    assertThat(read.keySet()).isEqualTo(wanted.keySet());
    try (Scope _ = Scope.open()) {
      read.forEach((path, p) -> {
        assertThat(p.value().dtype()).isEqualTo(DType.BF16);
        assertThat(p.value().to(DType.F32).toFloats())
            .as(path)
            .isEqualTo(wanted.get(path).value().toFloats());
      });
    }
  }

  @Test
  void shardsOfPyTorchGiveTheSameOutputs() throws IOException {
    Path from = ModelFixtures.folder("clip-whole");
    try (var files = Files.list(from.resolveSibling("clip-torch-shards"))) {
      for (Path file : files.toList()) Files.copy(file, dir.resolve(file.getFileName()));
    }
    Files.copy(from.resolve("config.json"), dir.resolve("config.json"));
    VisionTransformer wanted = VisionDirectory.load(from);
    VisionTransformer read = VisionDirectory.load(dir);
    assertThat(read.config()).isEqualTo(wanted.config());
    try (Scope _ = Scope.open()) {
      Tensor images = ModelFixtures.expected("clip-whole").get("images").to(DType.F32);
      Autograd.noGrad(() -> {
        assertThat(read.lastHiddenState(images).toFloats())
            .isEqualTo(wanted.lastHiddenState(images).toFloats());
        assertThat(read.embed(images).toFloats()).isEqualTo(wanted.embed(images).toFloats());
        return null;
      });
    }
  }

  @Test
  void olderTablesOfPositionsAreLeftOutAndDoubtfulTensorsRefused() {
    ModelFixtures.copy("clip-projection", dir);
    Path file = dir.resolve("model.safetensors");
    Map<String, Tensor> tensors = new LinkedHashMap<>(SafeTensors.open(file).tensors());
    try (Scope _ = Scope.open()) {
      String table = "vision_model.embeddings.position_ids";
      tensors.put(table, Tensor.of(new long[] {0, 1, 2, 3, 4}, 1, 5));
      SafeTensors.write(file, tensors, Map.of());
      assertThat(VisionDirectory.load(dir).config().projection()).isEqualTo(10);
      Tensor one = tensors.get("vision_model.post_layernorm.bias");
      assertRefused(file, tensors, "post_layernorm.bias", one, "are the same parameter");
      assertRefused(file, tensors, "classifier.weight", one, "1 unknown, such as \"classifier");
      tensors.put("vision_model.post_layernorm.bias", Tensor.of(new long[24], 24));
      SafeTensors.write(file, tensors, Map.of());
      assertThatThrownBy(() -> VisionDirectory.load(dir))
          .isInstanceOf(FileException.class)
          .hasMessageContaining("is I64[24], config.json describes F32[24] (or BF16, F16)");
    }
  }

  private void assertRefused(
      Path file, Map<String, Tensor> tensors, String key, Tensor value, String said) {
    Map<String, Tensor> more = new LinkedHashMap<>(tensors);
    more.put(key, value);
    SafeTensors.write(file, more, Map.of());
    assertThatThrownBy(() -> VisionDirectory.load(dir))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(file.toString())
        .hasMessageContaining(said);
  }
}
