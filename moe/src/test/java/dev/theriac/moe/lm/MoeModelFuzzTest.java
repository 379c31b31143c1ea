package dev.theriac.moe.lm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.fuzz.Fuzz;
import dev.theriac.io.FileException;
import dev.theriac.io.SafeTensors;
import dev.theriac.llm.GenerationConfig;
import dev.theriac.tensor.Scope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Damaged directories are read, and answer, or are refused with the file's name. */
class MoeModelFuzzTest {
  private static final int FILES = Integer.getInteger("theriac.fuzz.files", 100);

  @TempDir Path dir;

  private void model(String name) throws IOException {
    try (Scope _ = Scope.open()) {
      Files.copy(ReferenceFile.path(name + ".json"), dir.resolve("config.json"));
      var weights = new ReferenceFile(name).under("weights.");
      SafeTensors.writeModel(dir, weights, Map.of("format", "pt"), 1 << 20);
    }
  }

  private void use(Path file) {
    MoeLanguageModel model = MoeLanguageModel.load(dir);
    if (model.config().decoder().reach() < 4) return;
    assertThat(model.generate(List.of(new int[] {1, 0}), GenerationConfig.greedy(2)).getFirst())
        .hasSizeLessThanOrEqualTo(2);
  }

  private void run(String file, String... words) throws IOException {
    Fuzz.Report report =
        Fuzz.expecting(FileException.class)
            .files(FILES)
            .words(words)
            .run(dir, file, Files.readAllBytes(dir.resolve(file)), this::use);
    assertThat(report.refused()).as("some damage is seen").isGreaterThan(report.files() / 10);
  }

  @ParameterizedTest
  @ValueSource(strings = {"mixtral-options", "qwen2_moe-options", "olmoe-options"})
  void damagedConfigurationsAreReadOrRefused(String name) throws IOException {
    model(name);
    run("config.json", "null", "true", "1e999", "-1", "0", "{", "[", "4294967296", "2000000000");
  }

  @ParameterizedTest
  @ValueSource(strings = {"mixtral", "qwen2_moe"})
  void damagedWeightsAreReadOrRefused(String name) throws IOException {
    model(name);
    run("model.safetensors", "BF16", "I64", "[0, 16]", "experts.9", "experts.2000000000", "gate.");
  }
}
