package dev.theriac.moe.medmoe;

import static dev.theriac.moe.medmoe.PublishedModels.PHI;
import static dev.theriac.moe.medmoe.PublishedModels.STABLELM;
import static dev.theriac.moe.medmoe.PublishedModels.STAGE1;
import static dev.theriac.moe.medmoe.PublishedModels.TINYMED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.io.FileException;
import dev.theriac.moe.Router;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.VisionConfig;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Models in the layout in which the authors of Med-MoE publish theirs, against PyTorch and
 * transformers: {@code make_published.py} beside the fixtures made both.
 */
class PublishedModelsTest {
  private static final JsonMapper JSON = JsonMapper.builder().build();

  /** A copy of all the directories, to be changed. */
  @TempDir Path all;

  private PublishedModels published;
  private Scope scope;

  @BeforeEach
  void open() throws IOException, URISyntaxException {
    scope = Scope.open();
    published = PublishedModels.copy(all);
  }

  @AfterEach
  void close() {
    scope.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {PHI, STABLELM, STAGE1, TINYMED})
  void logitsAreTheReferences(String name) throws IOException {
    MedMoe model = published.load(name);
    assertThat(model.isTraining()).isFalse();
    published.assertIsReference(name, model);
    boolean padded = name.equals(PHI) || name.equals(STABLELM);
    assertThat(model.preprocessing().pad()).isEqualTo(padded);
    assertThat(model.tokenizer().token(model.tokenizer().padId()))
        .isEqualTo(name.equals(STABLELM) ? "<|reg0|>" : "<|extra_0|>");
    assertThat(model.vision().config().family())
        .isEqualTo(name.equals(STABLELM) ? VisionConfig.Family.SIGLIP : VisionConfig.Family.CLIP);
    switch (name) {
      case STAGE1 -> assertThat(model.moe()).isNull();
      case TINYMED ->
          assertThat(model.moe())
              .isEqualTo(new MoeOptions(4, 2, Router.Weighting.RENORMALISED, false, null, 0.01));
      default -> assertThat(model.moe()).isEqualTo(MoeOptions.medMoe());
    }
  }

  /** What was read is written, and what is written is a model by itself. */
  @ParameterizedTest
  @ValueSource(strings = {PHI, STABLELM, STAGE1, TINYMED})
  void loadedSavedAndLoadedItIsTheSame(String name) throws IOException {
    MedMoe model = published.load(name);
    Path saved = all.resolve("elsewhere/saved");
    model.save(saved, Provenance.unknown());
    MedMoe back = MedMoe.load(saved);
    assertThat(ModelShape.of(back)).isEqualTo(ModelShape.of(model));
    assertThat(back.preprocessing()).isEqualTo(model.preprocessing());
    published.assertIsReference(name, back);
    back.parameters()
        .forEach((path, p) -> {
          Tensor before = model.parameters().get(path).value();
          assertThat(p.value().dtype()).as(path).isEqualTo(before.dtype());
          assertThat(p.value().toFloats()).as(path).isEqualTo(before.toFloats());
        });
    Path files = all.resolve(name.equals(STAGE1) ? "phi-2" : name);
    for (String file :
        List.of(
            "generation_config.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "vocab.json",
            "merges.txt",
            "added_tokens.json")) {
      assertThat(saved.resolve(file)).as(file).hasSameBinaryContentAs(files.resolve(file));
    }
    ObjectNode config =
        (ObjectNode) JSON.readTree(Files.readAllBytes(saved.resolve("config.json")));
    assertThat(config.remove("theriac")).isNotNull();
    JsonNode read = JSON.readTree(Files.readAllBytes(all.resolve(name).resolve("config.json")));
    read.properties()
        .forEach(field ->
            assertThat(same(config.get(field.getKey()), field.getValue()))
                .as(
                    "%s: %s instead of %s",
                    field.getKey(), config.get(field.getKey()), field.getValue())
                .isTrue());
    // And again, to the byte.
    Path again = all.resolve("again");
    back.save(again, Provenance.unknown());
    assertThat(contents(again)).isEqualTo(contents(saved));
  }

  /** Numbers by value, 10000 as 10000.0. */
  private static boolean same(JsonNode a, JsonNode b) {
    if (a != null && a.isNumber() && b.isNumber()) return a.asDouble() == b.asDouble();
    if (a instanceof ObjectNode x && b instanceof ObjectNode y) {
      return x.size() == y.size()
          && y.properties().stream().allMatch(e -> same(x.get(e.getKey()), e.getValue()));
    }
    return b.equals(a);
  }

  private static Map<String, String> contents(Path dir) throws IOException {
    Map<String, String> out = new TreeMap<>();
    try (Stream<Path> files = Files.list(dir)) {
      for (Path file : files.toList()) {
        out.put(file.getFileName().toString(), Arrays.toString(Files.readAllBytes(file)));
      }
    }
    return out;
  }

  /** The dense model of the second stage and a router become the third stage's first model. */
  @Test
  void whatWasReadStaysThroughUpcycling() throws IOException {
    MedMoe dense = published.load(STAGE1);
    Router router = new Router(16, 4, 1, Router.Weighting.PROBABILITY, new Rng(1));
    MedMoe mixture = dense.upcycle(router, MoeOptions.medMoe());
    Path saved = all.resolve("saved");
    mixture.save(saved, Provenance.unknown());
    JsonNode config = JSON.readTree(Files.readAllBytes(saved.resolve("config.json")));
    assertThat(config.get("model_type").asString()).isEqualTo("moe_llava_phi");
    assertThat(config.get("video_projector_type").asString()).isEqualTo("linear");
    assertThat(saved.resolve("merges.txt")).exists();
    assertThat(ModelShape.of(MedMoe.load(saved)).moe()).isEqualTo(MoeOptions.medMoe());
  }

  /** Saving over the directory that was read leaves one model in it. */
  @Test
  void savedOverWhatItWasReadFromThereIsOneModel() throws IOException {
    MedMoe model = published.load(TINYMED);
    model.save(all.resolve(TINYMED), Provenance.unknown());
    assertThat(contents(all.resolve(TINYMED)).keySet())
        .contains("model.safetensors")
        .doesNotContain("pytorch_model.bin");
    published.assertIsReference(TINYMED, MedMoe.load(all.resolve(TINYMED)));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"hidden_act\": \"gelu_new\"|\"hidden_act\": \"relu\"|\"hidden_act\" is \"relu\"",
        "\"qk_layernorm\": false|\"qk_layernorm\": true|\"qk_layernorm\" is true; false",
        "\"rope_scaling\": null|\"rope_scaling\": {\"factor\": 2}|\"rope_scaling\" is",
        "mlp2x_gelu|linear|\"image_projector_type\" is \"linear\"; \"mlp2x_gelu\"",
        "_start_end\": false|_start_end\": true|\"mm_use_im_start_end\" is true; false",
        "\"mm_hidden_size\": 12|\"mm_hidden_size\": 1024|\"mm_hidden_size\" is 1024; the width",
        "\"use_residual\": false|\"use_residual\": true|\"moe.use_residual\" is true; false",
        "\"top_k_experts\": 1|\"top_k_experts\": 3|\"moe.top_k_experts\" is 3; 1 or 2",
        "\"num_hidden_layers\": 4|\"num_hidden_layers\": 2000000000|\"num_hidden_layers\" is",
        "\"num_experts\": [|\"num_experts\": [2000000000], \"x\": [|\"moe.num_experts\" is",
        "\"ep_size\"|\"noisy_gate\"|unknown field \"moe.noisy_gate\"",
        "\"use_cache\"|\"quantization_config\"|\"quantization_config\" is true; null",
        "\"num_experts\": [|\"num_experts\": [3,|\"moe.num_experts\" is [3,4,4]; one number",
      })
  void whatWouldChangeTheNumbersIsRefusedByField(String from, String to, String said)
      throws IOException {
    edit(all.resolve(PHI).resolve("config.json"), text -> text.replace(from, to));
    assertThatThrownBy(() -> published.load(PHI))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(all.resolve(PHI).resolve("config.json").toString())
        .hasMessageContaining(said);
  }

  @ParameterizedTest
  @ValueSource(strings = {"[2, 2]", "[0, 4]", "[-1, 2]"})
  void layersOfExpertsComeOnce(String layers) throws IOException {
    edit(
        all.resolve(PHI).resolve("config.json"),
        text ->
            text.replace("\"sparse\"", "\"custom\"")
                .replaceFirst(
                    "(?s)\"moe_layers_idx\": \\[.*?\\]", "\"moe_layers_idx\": " + layers));
    assertThatThrownBy(() -> published.load(PHI))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("\"moe.moe_layers_idx\" is " + layers.replace(" ", ""))
        .hasMessageContaining("each once, from 0 to 3");
  }

  /** A mixture without any is a dense model, of which configurations say so. */
  @ParameterizedTest
  @ValueSource(strings = {"sparse", "custom"})
  void someLayerHasExperts(String mode) throws IOException {
    edit(
        all.resolve(PHI).resolve("config.json"),
        text ->
            text.replace("\"sparse\"", "\"" + mode + "\"")
                    .replaceFirst("(?s)\"moe_layers_idx\": \\[.*?\\]", "\"moe_layers_idx\": []")
                + " ");
    assertThatThrownBy(() -> published.load(PHI))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(all.resolve(PHI).resolve("config.json").toString())
        .hasMessageContaining(
            "\"moe.moe_layers_idx\" is []; at least one layer (a model without experts has");
  }

  /** Pictures of another size than the encoder takes. */
  @Test
  void aProcessorOfAnotherSizeIsRefused() throws IOException {
    edit(
        all.resolve("clip-vit-tiny-patch6-18").resolve("preprocessor_config.json"),
        text -> text.replace("18", "24"));
    assertThatThrownBy(() -> published.load(PHI))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll("clip-vit-tiny", "in 24 pixels, the image encoder takes 18");
  }

  @Test
  void anotherProcessorIsRefused() throws IOException {
    Path file = all.resolve("siglip-tiny").resolve("preprocessor_config.json");
    edit(file, text -> text.replaceFirst("\"resample\": 3", "\"resample\": 2"));
    assertThatThrownBy(() -> published.load(STABLELM))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll("siglip-tiny", "bicubic");
  }

  private static void edit(Path file, UnaryOperator<String> change) throws IOException {
    String text = Files.readString(file);
    String changed = change.apply(text);
    assertThat(changed).isNotEqualTo(text);
    Files.writeString(file, changed);
  }

  @Test
  void bf16WeightsStayAsTheyAre() {
    MedMoe model = published.load(PHI);
    assertThat(model.parameters().get("language.lm_head.weight").value().dtype())
        .isEqualTo(DType.BF16);
    assertThat(model.parameters().get("language.layers.0.mlp.gate.wg.weight").value().dtype())
        .isEqualTo(DType.F32);
  }
}
