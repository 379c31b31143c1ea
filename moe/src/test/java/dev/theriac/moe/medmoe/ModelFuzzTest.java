package dev.theriac.moe.medmoe;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.fuzz.Fuzz;
import dev.theriac.io.FileException;
import dev.theriac.io.PartialWeights;
import dev.theriac.llm.tokenizer.TokenizerException;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Damaged files of a published Med-MoE: it is read, or refused with an exception that names the
 * file or its directory, soon and within little memory.
 */
class ModelFuzzTest {
  @TempDir Path all;

  @BeforeEach
  void copy() throws IOException, URISyntaxException {
    Path from = Path.of(ModelFuzzTest.class.getResource("published").toURI());
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.toList()) {
        Path to = all.resolve(from.relativize(file).toString());
        if (Files.isDirectory(file)) Files.createDirectories(to);
        else Files.copy(file, to);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "llavaphi-2.7b-medmoe, config.json, 250",
    "llavaphi-2.7b-medmoe, model.safetensors.index.json, 60",
    "llavaphi-2.7b-medmoe, model-00001-of-00002.safetensors, 60",
    "llavastablelm-1.6b-medmoe, stablelm_router.pth, 60",
    "clip-vit-tiny-patch6-18, config.json, 60",
    "clip-vit-tiny-patch6-18, preprocessor_config.json, 60",
  })
  void damagedModelsAreReadOrRefused(String directory, String name, int files) throws IOException {
    Path dir = all.resolve(directory);
    String model = directory.startsWith("llava") ? directory : "llavaphi-2.7b-medmoe";
    Path loaded = all.resolve(model);
    Fuzz.Report report =
        Fuzz.expecting(FileException.class)
            .or(TokenizerException.class)
            .files(files)
            .words(
                "num_experts", "moe_layers_idx", "theriac", "vision_config", "null", "1e999", "-1")
            .run(
                dir,
                name,
                Files.readAllBytes(dir.resolve(name)),
                file -> {
                  contents(loaded);
                  MedMoe.load(loaded).tokenizer();
                });
    assertThat(report.refused()).as("some damage is seen").isGreaterThan(files / 10);
  }

  /** Looking into it fails only where its configuration does. */
  private static void contents(Path dir) {
    PartialWeights weights = PartialWeights.open(dir);
    try {
      assertThat(ModelDirectory.contents(dir, ModelParts.none(), weights).wanted()).isNotEmpty();
    } catch (FileException e) {
      assertThat(e.getMessage()).contains(dir.getParent().toString());
    }
  }
}
