package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.io.SafeTensors;
import dev.theriac.llm.CausalLm;
import dev.theriac.llm.CausalLmConfig;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.lm.MoeLanguageModel;
import dev.theriac.moe.lm.MoeModelConfig;
import dev.theriac.moe.medmoe.CheckpointKeys;
import dev.theriac.moe.medmoe.ModelShape;
import dev.theriac.moe.medmoe.MoeOptions;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionDirectory;
import dev.theriac.vision.VisionTransformer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What {@code theriac inspect} says of good directories. */
class InspectCommandTest extends InspectFixture {
  /** All of them are copied, experts and others, and each is counted once. */
  private void assertDoublesAreCountedOnce(MoeLanguageModel model) throws IOException {
    Map<String, long[]> shapes = new LinkedHashMap<>();
    model.checkpoint().forEach((key, t) -> shapes.put(key, t.shape()));
    Files.delete(dir.resolve("model.safetensors"));
    hollow(dir.resolve("model.safetensors"), "F64", 8, shapes);
    String size = String.format(Locale.ROOT, "%.1f KiB", model.parameterCount() * 4 / 1024.0);
    assertThat(inspect(0, dir).out())
        .contains(
            "weights            " + size,
            "(" + size + " of them copied, as F64 is rounded to F32)");
  }

  @ParameterizedTest
  @EnumSource
  void languageModels(CausalLmConfig.Kind kind) {
    CausalLm model = causal(kind, false);
    Ran ran = inspect(0, dir);
    String count = String.format(Locale.ROOT, "%,d", model.parameterCount());
    // 2 tensors x 3 layers x 64 positions x heads of keys and values x 4 x 4 bytes
    String cache = decoder(kind, false).kvHeads() == 2 ? "12.0 KiB" : "24.0 KiB";
    assertThat(ran.out().toLowerCase(Locale.ROOT))
        .contains("family             " + kind.name().toLowerCase(Locale.ROOT));
    assertThat(ran.out())
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
    assertThat(inspect(0, dir).out())
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
    assertThat(inspect(0, dir).out())
        .contains(
            "2 of 5 experts for a token in 2 of 2 layers",
            String.format(Locale.ROOT, "parameters         %,d", model.parameterCount()),
            String.format(Locale.ROOT, "active for a token %,d", model.parameterCount() - idle),
            "45.0 KiB of them copied, to stack experts",
            "experts.{0..4}.",
            "whole; Theriac reads it");
    assertDoublesAreCountedOnce(model);
  }

  @Test
  void imageEncoders() {
    VisionConfig config = new VisionConfig(18, 6, 12, 3, 2, 20, 1e-5, -2, 0.1);
    VisionTransformer model = new VisionTransformer(config, new Rng(1));
    VisionDirectory.save(model, dir);
    Ran ran = inspect(0, dir);
    assertThat(ran.out())
        .contains(
            "CLIP image encoder (model_type clip_vision_model, CLIPVisionModel)",
            "CLIP of 18 x 18 pixels in patches of 6, 3 layers of width 12",
            "no preprocessor_config.json",
            String.format(Locale.ROOT, "parameters         %,d", model.parameterCount()),
            "whole; Theriac reads it")
        .doesNotContain("keys and values");
    assertThat(inspect(0, PUBLISHED.resolve("siglip-tiny")).out())
        .contains("SigLIP image encoder (model_type siglip_vision_model")
        .doesNotContain("preprocessor_config");
    assertThat(inspect(0, PUBLISHED.resolve("clip-vit-tiny-patch6-18")).out())
        .contains(
            "(model_type clip, CLIPModel)", "left alone         1", "visual_projection.weight");
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
    assertThat(inspect(0, PUBLISHED, "--help").out())
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
    assertThat(ran.out())
        .contains(
            "CLIP of 336 x 336 pixels in patches of 14, 24 layers of width 1024",
            "parameters         " + all,
            "active for a token " + active,
            "weights            " + weights,
            "keys and values    " + cache,
            "whole; Theriac reads it");
    assertThat(Memory.stats().peak() - before).isLessThan(1 << 20);
  }
}
