package dev.theriac.moe.medmoe;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.moe.Router;
import dev.theriac.moe.medmoe.train.Stage;
import dev.theriac.moe.medmoe.train.StageOptions;
import dev.theriac.tensor.Rng;
import dev.theriac.vision.VisionConfig;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Names, shapes and counts, against real small models and the published figures of the large. */
class ModelShapeTest {
  private static ModelShape published(Family family, boolean mixture) {
    return new ModelShape(
        VisionConfig.clipLarge336(),
        family == Family.PHI ? DecoderConfig.phi2() : DecoderConfig.stableLm2(),
        mixture ? MoeOptions.medMoe() : null);
  }

  private static void assertShapesOf(MedMoe model) {
    Map<String, List<Long>> real = new LinkedHashMap<>();
    model.parameters().forEach((path, p) -> real.put(path, list(p.value().shape())));
    Map<String, List<Long>> told = new LinkedHashMap<>();
    ModelShape.of(model).parameters().forEach((path, shape) -> told.put(path, list(shape)));
    assertThat(told).isEqualTo(real);
    assertThat(ModelShape.of(model).count(path -> true)).isEqualTo(model.parameterCount());
    assertThat(ModelShape.of(model).activeCount(path -> true)).isEqualTo(model.activeParameters());
  }

  private static List<Long> list(long[] shape) {
    return Arrays.stream(shape).boxed().toList();
  }

  @ParameterizedTest
  @CsvSource({"PHI,false", "PHI,true", "STABLELM,false", "STABLELM,true"})
  void shapesAreThoseOfTheModelItself(Family family, boolean mixture) {
    assertShapesOf(mixture ? TinyModels.mixture(family) : TinyModels.dense(family));
  }

  @Test
  void soTheyAreWithOtherOptions() {
    MoeOptions options =
        new MoeOptions(3, 2, Router.Weighting.RENORMALISED, false, List.of(1, 2), 0.01);
    Router router = new Router(16, 3, 2, Router.Weighting.RENORMALISED, new Rng(5));
    assertShapesOf(TinyModels.dense(Family.PHI).upcycle(router, options));
  }

  @ParameterizedTest
  @CsvSource({"PHI,false,847", "PHI,true,1135", "STABLELM,false,735", "STABLELM,true,903"})
  void thePublishedModelsHaveAsManyKeys(Family family, boolean mixture, int keys) {
    assertThat(CheckpointKeys.of(published(family, mixture))).hasSize(keys);
  }

  @Test
  void keysAreThePublishedOnes() {
    SequencedMap<String, CheckpointKeys.Place> phi = CheckpointKeys.of(published(Family.PHI, true));
    assertThat(phi)
        .containsKeys(
            "model.embed_tokens.weight",
            "model.layers.31.self_attn.dense.bias",
            "model.layers.31.mlp.fc1.weight",
            "model.layers.30.mlp.meta_moe.fc2.bias",
            "model.layers.30.mlp.deepspeed_moe.gate.wg.bias",
            "model.layers.0.input_layernorm.weight",
            "model.final_layernorm.bias",
            "lm_head.weight",
            "model.mm_projector.image_spatial_proj.0.weight",
            "model.mm_projector.image_spatial_proj.2.bias",
            "model.image_tower.image_tower.vision_model.embeddings.class_embedding",
            "model.image_tower.image_tower.vision_model.pre_layrnorm.weight",
            "model.image_tower.image_tower.vision_model.encoder.layers.23.mlp.fc2.weight")
        .doesNotContainKeys("model.layers.30.mlp.fc1.weight", "lm_head.bias");
    String expert = "model.layers.30.mlp.deepspeed_moe.experts.deepspeed_experts.3.fc1.weight";
    assertThat(phi.get(expert).path()).isEqualTo("language.layers.30.mlp.experts.fc1.weight");
    assertThat(phi.get(expert).expert()).isEqualTo(3);
    assertThat(phi.get(expert).shape()).containsExactly(10240, 2560);
    assertThat(phi.get("model.layers.0.mlp.deepspeed_moe.gate.wg.weight").shape())
        .containsExactly(4, 2560);

    assertThat(CheckpointKeys.of(published(Family.STABLELM, true)))
        .containsKeys(
            "model.layers.23.self_attn.o_proj.weight",
            "model.layers.23.post_attention_layernorm.bias",
            "model.layers.23.mlp.gate_proj.weight",
            "model.layers.22.mlp.deepspeed_moe.experts.deepspeed_experts.0.down_proj.weight",
            "model.layers.22.mlp.meta_moe.up_proj.weight",
            "model.norm.bias")
        .doesNotContainKeys("model.layers.23.self_attn.o_proj.bias");
  }

  /** Figures of the parts, worked out from the published configurations. */
  @ParameterizedTest
  @CsvSource({
    "PHI,2779632640,3092320256,6136058944,6448746560,3618862144,3931549760,163904",
    "STABLELM,1644515328,1954318336,3305558064,3615361072,2059849776,2369652784,98352"
  })
  void countsAreThePublishedOnes(
      Family family,
      long denseLanguage,
      long dense,
      long language,
      long all,
      long activeLanguage,
      long active,
      long routers) {
    ModelShape moe = published(family, true);
    assertThat(moe.dense().count(p -> p.startsWith("language."))).isEqualTo(denseLanguage);
    assertThat(moe.dense().count(p -> true)).isEqualTo(dense);
    assertThat(moe.count(p -> p.startsWith("language."))).isEqualTo(language);
    assertThat(moe.count(p -> true)).isEqualTo(all);
    assertThat(moe.activeCount(p -> p.startsWith("language."))).isEqualTo(activeLanguage);
    assertThat(moe.activeCount(p -> true)).isEqualTo(active);
    assertThat(moe.count(p -> p.contains(".mlp.gate."))).isEqualTo(routers);
    assertThat(moe.count(p -> p.startsWith("vision."))).isEqualTo(303_507_456);
  }

  @ParameterizedTest
  @CsvSource({"PHI,9180160,2788812800,5043573760", "STABLELM,6295552,1650810880,2497712128"})
  void eachStageTrainsAsManyValuesAsPublished(Family family, long align, long instruct, long moe) {
    ModelShape dense = published(family, false);
    assertThat(trained(dense, Stage.ALIGN)).isEqualTo(align);
    assertThat(trained(dense, Stage.INSTRUCT)).isEqualTo(instruct);
    assertThat(trained(published(family, true), Stage.MOE)).isEqualTo(moe);
  }

  private static long trained(ModelShape shape, Stage stage) {
    return shape.count(stage.trained(StageOptions.published(stage)));
  }
}
