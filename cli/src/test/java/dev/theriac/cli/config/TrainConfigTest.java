package dev.theriac.cli.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class TrainConfigTest {
  private static TrainConfig parse(String json) {
    return ConfigReader.parse(json, "train.json", Path.of("/data"), TrainConfig.class);
  }

  @Test
  void needsNothingButTheFormat() {
    TrainConfig config = parse("{\"data\": {\"format\": \"phantoms\"}}");
    assertThat(config.out()).isNull();
    assertThat(config.align().trainVision()).isFalse();
    assertThat(config.model().visionConfig().patches()).isEqualTo(16);
    assertThat(config.model().language().config(512).kvHeads()).isEqualTo(4);
    assertThat(config.model().language().config(512).vocabulary()).isEqualTo(512);
    assertThat(config.evaluation().dense()).isTrue();
  }

  @Test
  void asksForTheFilesOfAFormat() {
    assertThatThrownBy(() -> parse("{\"data\": {\"format\": \"pneumonia_mnist\"}}"))
        .hasMessage("train.json: $.data: format \"pneumonia_mnist\" needs the key 'file', a path");
    assertThatThrownBy(() -> parse("{\"data\": {\"format\": \"vqa\", \"images\": \"i\"}}"))
        .hasMessageContaining("'align'");
    assertThat(
            parse("{\"data\": {\"format\": \"pneumonia_mnist\", \"file\": \"x.npz\"}}")
                .data()
                .file())
        .isEqualTo(Path.of("/data/x.npz"));
  }

  @Test
  void refusesShapesThatDoNotFit() {
    assertThatThrownBy(() ->
            parse(
                """
                {"data": {"format": "phantoms"}, "model": {"vision": {"patch_size": 7}}}\
                """))
        .hasMessageContaining("$.model: vision")
        .hasMessageContaining("patch 7");
    assertThatThrownBy(() ->
            parse(
                """
                {"data": {"format": "phantoms"}, "model": {"experts": {"top_k": 5}}}\
                """))
        .hasMessageContaining("$.model.experts: top_k 5 of 4 experts");
    assertThatThrownBy(() ->
            parse(
                """
                {"data": {"format": "phantoms"}, "moe": {"batch_size": 4, "accumulate": 3}}\
                """))
        .hasMessageContaining("$.moe: batch_size 4 cannot be cut into 3 equal parts");
  }
}
