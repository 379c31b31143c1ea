package dev.theriac.moe.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.io.FileException;
import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.lm.MoeModelConfig.Kind;
import dev.theriac.nn.Parameter;
import dev.theriac.tensor.Rng;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;

/** Configurations of language models of experts. */
class MoeModelConfigTest extends MoeLanguageModelFixture {
  private void assertRefused(String text, String... wanted) throws IOException {
    Path file = write(text);
    assertThatThrownBy(() -> MoeModelConfig.read(file))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("config.json")
        .hasMessageContainingAll(wanted);
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
}
