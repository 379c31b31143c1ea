package dev.theriac.moe.medmoe;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.fuzz.Fuzz;
import dev.theriac.io.FileException;
import dev.theriac.io.PartialWeights;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.tokenizer.TokenizerException;
import dev.theriac.tensor.Scope;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Damaged files of a published Med-MoE: it is read, or refused with an exception that names the
 * file or its directory, soon and within little memory.
 */
class ModelFuzzTest {
  private static final String CONFIG = "config.json";
  private static final List<String> BAD =
      List.of(
          "null",
          "1e999",
          "-1",
          "0",
          "0.5",
          "2147483647",
          "4294967296",
          "\"x\"",
          "[]",
          "[0, 0]",
          "[1e999, 2, 3]",
          "true");

  @TempDir Path all;

  @BeforeEach
  void copy() throws IOException, URISyntaxException {
    PublishedModels.copy(all);
  }

  @ParameterizedTest
  @CsvSource({
    "llavaphi-2.7b-medmoe, config.json, 250",
    "llavaphi-2.7b-medmoe, generation_config.json, 60",
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
                  assertThat(MedMoe.load(loaded).generation().maxNewTokens()).isPositive();
                });
    assertThat(report.refused()).as("some damage is seen").isGreaterThan(files / 10);
  }

  /** The object in which Theriac itself writes what published files do not say. */
  @Test
  void damageWithinTheriacsOwnFieldsIsReadOrRefused() throws IOException {
    Path dir = saved();
    String text = Files.readString(dir.resolve(CONFIG));
    int from = text.indexOf("\"theriac\"");
    String before = text.substring(0, from);
    Fuzz.Report report =
        Fuzz.expecting(FileException.class)
            .files(400)
            .words("null", "1e999", "-1", "0", "2000000000", "0.5", "true", "[", "{", "\"size\"")
            .words("\"family\": \"siglip\",", "\"num_channels\": 1,", "\"pooling_head\": true,")
            .wrap(bytes -> (before + new String(bytes, ISO_8859_1)).getBytes(ISO_8859_1))
            .run(
                dir,
                CONFIG,
                text.substring(from).getBytes(ISO_8859_1),
                file -> {
                  contents(dir);
                  MedMoe.load(dir);
                });
    assertThat(report.refused()).isGreaterThan(200);
  }

  /**
   * Each field of its own, {@code moe} and what lies at the top, with other values; {@link
   * ConfigValuesTest} has those that must be refused.
   */
  @Test
  void otherValuesAreReadOrRefused() throws IOException {
    Path dir = saved();
    Path file = dir.resolve(CONFIG);
    JsonMapper json = JsonMapper.shared();
    byte[] good = Files.readAllBytes(file);
    int cases = 0;
    try (Scope _ = Scope.open()) {
      for (List<String> path : leaves(json.readTree(good), List.of())) {
        for (String value : BAD) {
          ObjectNode root = (ObjectNode) json.readTree(good);
          JsonNode at = root;
          for (String name : path.subList(0, path.size() - 1)) at = at.get(name);
          ((ObjectNode) at).replace(path.getLast(), json.readTree("\"@\""));
          Files.writeString(file, root.toString().replace("\"@\"", value));
          cases++;
          String which = String.join(".", path) + " = " + value;
          try {
            MedMoe.load(dir);
          } catch (FileException e) {
            assertThat(e).as(which).hasMessageContaining(dir.toString());
          } catch (RuntimeException e) {
            throw new AssertionError(which + ": " + e, e);
          }
        }
      }
    }
    assertThat(cases).isGreaterThan(500);
  }

  private Path saved() {
    Path dir = all.resolve("saved");
    try (Scope _ = Scope.open()) {
      TinyModels.mixture(Family.STABLELM).save(dir, Provenance.unknown());
    }
    return dir;
  }

  /** Paths of all fields that hold no object. */
  private static List<List<String>> leaves(JsonNode node, List<String> path) {
    List<List<String>> out = new ArrayList<>();
    node.properties()
        .forEach(field -> {
          List<String> to = new ArrayList<>(path);
          to.add(field.getKey());
          if (field.getValue().isObject()) out.addAll(leaves(field.getValue(), to));
          else out.add(to);
        });
    return out;
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
