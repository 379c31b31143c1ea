package dev.theriac.bench.fullsize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.bench.frame.Bench;
import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.io.FileException;
import dev.theriac.io.Weights;
import dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.image.Image;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FullSizeModelTest {
  private static final FullSizeModel TINY = FullSizeModel.TINY;

  @TempDir private Path temp;

  @Test
  void isWrittenOnceAndAnswers() throws Exception {
    List<String> notes = new ArrayList<>();
    Path folder = TINY.in(temp, Precision.BF16, notes::add);
    byte[] weights = Files.readAllBytes(folder.resolve("model.safetensors"));
    assertThat(notes).singleElement().asString().contains("tiny", folder.toString());
    assertThat(TINY.in(temp, Precision.BF16, notes::add)).isEqualTo(folder);
    assertThat(notes).hasSize(1);
    TINY.write(folder);
    assertThat(Files.readAllBytes(folder.resolve("model.safetensors"))).isEqualTo(weights);
    MedMoe model = MedMoe.load(folder);
    assertThat(2 * model.parameterCount()).isEqualTo(TINY.bytes(Precision.BF16));
    assertThat(model.language().parameterCount() - 699 * 64)
        .isEqualTo(TINY.bytesPerToken(Precision.BF16) / 2);
    Image image = Image.of16(4, 4, 1, new short[16]);
    assertThat(model.ask(image, Asking.QUESTION)).isNotNull();
  }

  @Test
  void weightsAreNormalAndEveryTensorHasItsOwn() throws Exception {
    Weights file = Weights.open(TINY.in(temp, Precision.BF16, _ -> {}));
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
    assertThat(phi.bytes(Precision.BF16)).isEqualTo(2 * 3_092_320_256L);
    assertThat(phi.bytesPerToken(Precision.BF16)).isEqualTo(2 * (2_779_632_640L - 51_199L * 2560));
    assertThat(FullSizeModel.of("stablelm-2").bytes(Precision.BF16)).isEqualTo(2 * 1_954_318_336L);
    assertThat(phi.promptFlops(616)).isEqualTo(3.2e12, within(0.2e12));
  }

  @Test
  void aQuantisedCopyHasTheBytesThatAreCounted() throws Exception {
    List<String> notes = new ArrayList<>();
    for (Precision p : List.of(Precision.BF16_PACKED, Precision.INT8, Precision.INT4)) {
      Path folder = TINY.in(temp, p, notes::add);
      assertThat(folder).isEqualTo(temp.resolve("tiny-" + p.id()));
      Weights file = Weights.open(folder);
      long bytes = 0;
      long vision = 0;
      for (String key : file.keys()) {
        long size = file.dtype(key).bytes();
        for (long n : file.entry(key).shape()) size *= n;
        bytes += size;
        if (key.contains("image_tower") || key.contains("mm_projector")) vision += size;
      }
      assertThat(bytes).isEqualTo(TINY.bytes(p));
      assertThat(bytes < TINY.bytes(Precision.BF16)).isEqualTo(!p.isExact());
      assertThat(bytes - vision - 2 * 699 * 64).isEqualTo(TINY.bytesPerToken(p));
      assertThat(MedMoe.load(folder).ask(Image.of16(4, 4, 1, new short[16]), Asking.QUESTION))
          .isNotNull();
    }
    assertThat(notes).hasSize(4);
    Path source = temp.resolve("tiny");
    assertThat(notes.get(1)).contains("copied from " + source + " in the order of the kernels,");
    assertThat(notes.get(2)).contains("quantised from " + source + ",");
    assertThat(notes.get(3)).contains("quantised from " + source + ",");
    assertThat(TINY.in(temp, Precision.INT4, notes::add)).exists();
    assertThat(notes).hasSize(4);
  }

  @Test
  void aFolderThatHoldsSomethingElseIsLeftAsItIs() throws Exception {
    Path folder = Files.createDirectories(temp.resolve("tiny"));
    Path unfinished = Files.createDirectories(temp.resolve("tiny.unfinished"));
    Files.writeString(unfinished.resolve("config.json"), "{");
    Path other = Files.writeString(folder.resolve("notes.txt"), "mine");
    assertThatThrownBy(() -> TINY.in(temp, Precision.BF16, _ -> {}))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(folder.toString())
        .hasMessageContaining("is no model");
    assertThat(other).hasContent("mine");
    Files.delete(other);
    assertThat(TINY.in(temp, Precision.BF16, _ -> {}).resolve("config.json")).exists();
    assertThat(unfinished).doesNotExist();
  }

  @Test
  void refusesWeightsThatThereAreNot() {
    assertThat(Precision.of(List.of())).containsExactly(Precision.BF16, Precision.BF16_PACKED);
    assertThat(Precision.of(List.of("int4", "bf16", "int4")))
        .containsExactly(Precision.INT4, Precision.BF16);
    assertThatThrownBy(() -> Precision.of(List.of("int3")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("no weights \"int3\"")
        .hasMessageContaining("[bf16, bf16-packed, int8, int4]");
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
