package dev.theriac.llm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.fuzz.Fuzz;
import dev.theriac.io.FileException;
import dev.theriac.llm.tokenizer.BuiltInTokenizer;
import dev.theriac.llm.tokenizer.TokenizerException;
import dev.theriac.tensor.Scope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Directories of language models in which one file is damaged are read or refused with an exception
 * that names the file, soon and within little memory; what is read answers.
 */
class ModelFuzzTest {
  private static final int FILES = Integer.getInteger("theriac.fuzz.files", 100);
  private static final String[] WORDS = {
    "null", "true", "1e999", "-1", "0", "{", "[", "4294967296", "2000000000", "\"hidden_size\""
  };

  @TempDir Path dir;

  /** A directory as transformers writes it, in one file or in shards. */
  private Path model(String name, long shardBytes) throws IOException {
    try (Scope _ = Scope.open()) {
      var weights = new CausalReference(name).weights(false);
      return CausalReference.publish(dir, name, weights, shardBytes);
    }
  }

  /** Loads and generates a little, as a user would. */
  private void use(Path file) {
    CausalLm model = CausalLm.load(dir);
    int[] prompt = {1, 0};
    if (model.config().decoder().vocabulary() < 2) prompt[0] = 0;
    if (model.config().decoder().reach() >= 4) {
      assertThat(model.generate(List.of(prompt), GenerationConfig.greedy(2)).getFirst())
          .hasSizeLessThanOrEqualTo(2);
    }
  }

  private static void assertSomeRefused(Fuzz.Report report) {
    assertThat(report.refused()).as("some damage is seen").isGreaterThan(report.files() / 10);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "phi-options",
        "stablelm-options",
        "llama-longrope",
        "llama-proportional",
        "mistral-window",
        "qwen2-options",
        "qwen2-yarn"
      })
  void damagedConfigurationsAreReadOrRefused(String name) throws IOException {
    byte[] good = Files.readAllBytes(model(name, 1 << 20).resolve("config.json"));
    assertSomeRefused(
        Fuzz.expecting(FileException.class)
            .files(FILES)
            .words(WORDS)
            .run(dir, "config.json", good, this::use));
  }

  @Test
  void damagedGenerationSettingsAreReadOrRefused() throws IOException {
    model("llama", 1 << 20);
    var settings = new GenerationConfig(9, 0.5, 3, 0.9, 1.1, 0, java.util.Set.of(7, 8));
    byte[] good = ModelFiles.utf8(settings.withMinNewTokens(2).withStopStrings("a").json());
    assertSomeRefused(
        Fuzz.expecting(FileException.class)
            .files(3 * FILES)
            .words(WORDS)
            .words("\"num_beams\": 2,", "\"suppress_tokens\": [1],", "\"stop_strings\": [\"\"],")
            .run(
                dir,
                "generation_config.json",
                good,
                file -> assertThat(CausalLm.load(dir).generation().maxNewTokens()).isPositive()));
  }

  @ParameterizedTest
  @ValueSource(strings = {"phi", "qwen2"})
  void damagedWeightsAreReadOrRefused(String name) throws IOException {
    byte[] good = Files.readAllBytes(model(name, 1 << 20).resolve("model.safetensors"));
    assertSomeRefused(
        Fuzz.expecting(FileException.class)
            .files(2 * FILES)
            .words("BF16", "I64", "F64", "[24]", "[0, 24]", "model.", "lm_head.weight", "layers.9")
            .run(dir, "model.safetensors", good, this::use));
  }

  @Test
  void damagedShardsAreReadOrRefused() throws IOException {
    model("llama", 4000);
    Path shard;
    try (Stream<Path> files = Files.list(dir)) {
      shard =
          files
              .filter(f -> f.toString().contains("00002-of"))
              .findFirst()
              .orElseThrow(() -> new AssertionError("no second shard"));
    }
    assertSomeRefused(
        Fuzz.expecting(FileException.class)
            .files(2 * FILES)
            .words("BF16", "F8_E4M3", "[24]", "data_offsets")
            .run(dir, shard.getFileName().toString(), Files.readAllBytes(shard), this::use));
  }

  @Test
  void damagedIndexesAreReadOrRefused() throws IOException {
    byte[] good = Files.readAllBytes(model("llama", 4000).resolve("model.safetensors.index.json"));
    assertSomeRefused(
        Fuzz.expecting(FileException.class)
            .files(2 * FILES)
            .words(WORDS)
            .words("../", "/etc/passwd", "model-00001-of-", "\"weight_map\"", "\\u0000")
            .run(dir, "model.safetensors.index.json", good, this::use));
  }

  @ParameterizedTest
  @ValueSource(strings = {"torch", "torch-shards"})
  void damagedFilesOfPyTorchAreReadOrRefused(String folder) throws IOException {
    String name = folder.equals("torch") ? "phi-options" : "qwen2-yarn";
    Files.copy(CausalReference.path(name + ".json"), dir.resolve("config.json"));
    String file = "pytorch_model.bin";
    try (Stream<Path> files = Files.list(CausalReference.path(folder))) {
      for (Path f : files.toList()) {
        Files.copy(f, dir.resolve(f.getFileName()));
        if (f.toString().contains("00002-of")) file = f.getFileName().toString();
      }
    }
    assertSomeRefused(
        Fuzz.expecting(FileException.class)
            .files(2 * FILES)
            .words("torch._utils", "_rebuild_tensor_v2", "cposix\nsystem\n", "PK\u0003\u0004")
            .run(dir, file, Files.readAllBytes(dir.resolve(file)), this::use));
  }

  /** Through the model's own call; {@code TokenizerFuzzTest} has more of them. */
  @Test
  void damagedTokenizersAreReadOrRefused() throws IOException {
    String file = "tokenizer.json";
    model("llama", 1 << 20);
    BuiltInTokenizer.load().save(dir);
    byte[] good = Files.readAllBytes(dir.resolve(file));
    Fuzz.Report report =
        Fuzz.expecting(TokenizerException.class)
            .files(FILES / 2)
            .words("null", "true", "-1", "{", "\"type\"", "\\ud83e", "\"BPE\"")
            .run(
                dir,
                file,
                good,
                f -> {
                  try (var tokenizer = CausalLm.load(dir).tokenizer()) {
                    tokenizer.decode(tokenizer.encode("No fracture.", true), true);
                  }
                });
    assertThat(report.refused()).isPositive();
  }
}
