package dev.theriac.bench.fullsize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.bench.frame.Bench;
import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.io.Weights;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.image.Image;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FullSizeModelTest {
  private static final FullSizeModel SMALL =
      new FullSizeModel("small", VisionConfig.small(32), DecoderConfig.small(700), 650);

  @TempDir private Path temp;

  @Test
  void isWrittenOnceAndAnswers() throws Exception {
    List<String> notes = new ArrayList<>();
    Path folder = SMALL.in(temp, notes::add);
    byte[] weights = Files.readAllBytes(folder.resolve("model.safetensors"));
    assertThat(notes).singleElement().asString().contains("small", folder.toString());
    assertThat(SMALL.in(temp, notes::add)).isEqualTo(folder);
    assertThat(notes).hasSize(1);
    SMALL.write(folder);
    assertThat(Files.readAllBytes(folder.resolve("model.safetensors"))).isEqualTo(weights);
    MedMoe model = MedMoe.load(folder);
    assertThat(2 * model.parameterCount()).isEqualTo(SMALL.bytes());
    assertThat(model.language().parameterCount() - 699 * 64).isEqualTo(SMALL.bytesPerToken() / 2);
    Image image = Image.of16(4, 4, 1, new short[16]);
    assertThat(model.ask(image, Asking.QUESTION)).isNotNull();
  }

  @Test
  void weightsAreNormalAndEveryTensorHasItsOwn() {
    Weights file = Weights.open(SMALL.in(temp, _ -> {}));
    Tensor first = file.get("model.layers.0.mlp.fc1.weight");
    Tensor second = file.get("model.layers.1.mlp.fc1.weight");
    assertThat(first.dtype()).isEqualTo(DType.BF16);
    double sum = 0;
    double squares = 0;
    float[] values = first.toFloats();
    for (float v : values) {
      sum += v;
      squares += v * v;
    }
    assertThat(sum / values.length).isEqualTo(0, within(0.001));
    assertThat(Math.sqrt(squares / values.length)).isEqualTo(0.02, within(0.001));
    assertThat(second.toFloats()).isNotEqualTo(values);
    assertThat(file.get("model.final_layernorm.weight").toFloats()[0]).isEqualTo(1f, within(0.5f));
  }

  @Test
  void theQuestionHasFortyTokensInBothVocabularies() {
    for (FullSizeModel model : FullSizeModel.published()) {
      try (HuggingFaceTokenizerFile tokenizer = WideTokenizer.of(model.tokens())) {
        assertThat(tokenizer.vocabSize()).isEqualTo(model.tokens());
        // The picture's mark beside them.
        assertThat(Asking.prompt(tokenizer)).hasSize(41);
      }
    }
  }

  @Test
  void countsAsTheArchitecturesSay() {
    FullSizeModel phi = FullSizeModel.of("phi-2");
    assertThat(phi.bytes()).isEqualTo(2 * 3_092_320_256L);
    assertThat(phi.bytesPerToken()).isEqualTo(2 * (2_779_632_640L - 51_199L * 2560));
    assertThat(FullSizeModel.of("stablelm-2").bytes()).isEqualTo(2 * 1_954_318_336L);
    assertThat(phi.promptFlops(616)).isEqualTo(3.2e12, within(0.2e12));
  }

  @Test
  void needsAFolder() {
    BenchOptions options =
        new BenchOptions(List.of(1), false, false, null, null, List.of(), 1, 0, _ -> {});
    assertThatThrownBy(() -> Bench.of("full-size").run(options))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("--dir");
  }

  @Test
  void refusesAnAnswerWithoutTimes() {
    assertThatThrownBy(() -> Answer.of("Killed", ""))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("Killed");
  }
}
