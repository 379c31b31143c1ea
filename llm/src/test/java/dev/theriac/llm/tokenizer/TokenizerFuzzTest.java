package dev.theriac.llm.tokenizer;

import static java.time.Duration.ofSeconds;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Wrong files give an exception that names the file, or load; the native part never aborts. */
class TokenizerFuzzTest {
  private static final String TEXT = "Is there pneumonia? 肺🫁 \u0000 <s></s>   12\n";

  @TempDir Path folder;

  /** Opens and uses what is in the folder; true where it was refused with the folder's name. */
  private boolean refused(String as) {
    return assertTimeoutPreemptively(
        ofSeconds(30),
        () -> {
          try (HuggingFaceTokenizerFile tokenizer = HuggingFaceTokenizerFile.open(folder)) {
            int[] ids = tokenizer.encode(TEXT, true);
            StreamingDecoder decoder = tokenizer.streaming();
            for (int id : ids) decoder.add(id);
            decoder.finish();
            tokenizer.decode(ids, true);
            tokenizer.decode(new int[] {0, 1, 255, 300, 99999}, false);
            return false;
          } catch (TokenizerException e) {
            assertThat(e).as(as).hasMessageContaining(folder.toString());
            return true;
          }
        });
  }

  private void copy(String kind) throws IOException {
    try (Stream<Path> files = Files.list(ReferenceTokenizersTest.directory(kind))) {
      for (Path file : files.toList()) {
        if (!file.endsWith("expected.json")) {
          Files.copy(file, folder.resolve(file.getFileName().toString()));
        }
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "mistral, tokenizer.json",
    "llama, tokenizer.json",
    "llama3, tokenizer.json",
    "neox, tokenizer.json",
    "codegen, tokenizer_config.json",
    "gpt2, special_tokens_map.json",
    "gpt2, added_tokens.json",
    "qwen2, vocab.json",
    "codegen, merges.txt"
  })
  void survivesMutatedFiles(String kind, String file) throws IOException {
    copy(kind);
    Path path = folder.resolve(file);
    byte[] good = Files.readAllBytes(path);
    Random random = new Random(kind.hashCode() + file.hashCode());
    int refusals = 0;
    for (int round = 0; round < 60; round++) {
      byte[] bad =
          file.endsWith(".json") && round % 3 != 0
              ? JsonFiles.JSON.writeValueAsBytes(mutated(good, random))
              : bytes(good, random);
      Files.write(path, bad);
      if (refused(file + ", round " + round)) refusals++;
    }
    assertThat(refusals).isPositive();
  }

  private static byte[] bytes(byte[] good, Random random) {
    if (random.nextBoolean()) return java.util.Arrays.copyOf(good, random.nextInt(good.length));
    byte[] bad = good.clone();
    for (int i = random.nextInt(8); i >= 0; i--) {
      bad[random.nextInt(bad.length)] = (byte) random.nextInt(256);
    }
    return bad;
  }

  /** The object with one value or key replaced, mostly outside of the long lists. */
  private static JsonNode mutated(byte[] good, Random random) {
    ObjectNode root = JsonFiles.object(good, "good");
    List<Runnable> changes = new ArrayList<>();
    collect(root, changes, random);
    changes.get(random.nextInt(changes.size())).run();
    return root;
  }

  private static void collect(JsonNode node, List<Runnable> changes, Random random) {
    if (node instanceof ObjectNode object) {
      int kept = 0;
      for (String key : List.copyOf(object.propertyNames())) {
        if (kept++ > 30) break;
        changes.add(() -> object.set(key, value(random)));
        changes.add(() -> object.set(key + "x", object.remove(key)));
        changes.add(() -> object.remove(key));
        collect(object.get(key), changes, random);
      }
    } else if (node instanceof ArrayNode array) {
      for (int i = 0; i < Math.min(array.size(), 10); i++) {
        int place = i;
        changes.add(() -> array.set(place, value(random)));
        changes.add(() -> array.remove(place));
        collect(array.get(i), changes, random);
      }
    }
  }

  private static JsonNode value(Random random) {
    String[] values = {
      "null",
      "true",
      "-1",
      "0",
      "1",
      "1099511627776",
      "1e300",
      "0.5",
      "\"\"",
      "\"x\"",
      "\"##\"",
      "\"\\u0000\"",
      "\"<s>\"",
      "[]",
      "{}",
      "[1, 2]",
      "{\"type\": \"BPE\"}",
      "\"(?<a\"",
      "\"ByteLevel\"",
      "\"Sequence\"",
      "4294967295",
      "999999",
      "\"\\ud83e\""
    };
    return JsonFiles.JSON.readTree(values[random.nextInt(values.length)]);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "\"special_tokens\":{\"<s>\"; \"special_tokens\":{\"<t>\"; post_processor.single",
        "\"continuing_subword_prefix\":null; \"continuing_subword_prefix\":\"####\"; model.merges",
        "\"start\":1,\"stop\":0; \"start\":1,\"stop\":1; decoder.decoders[3].stop",
        "\"dropout\":null; \"dropout\":0.1; model.dropout",
        "\"type\":\"Metaspace\"; \"type\":\"FixedLength\"; pre_tokenizer.type",
        "\"type\":\"Metaspace\"; \"pattern\":{\"Regex\":\"(a+)+b\"},\"type\":\"Split\"; pattern",
        "\"type\":\"BPE\"; \"type\":\"Rune\"; model.type"
      })
  void refusesWhatWouldEndTheProcess(String good, String bad, String field) throws IOException {
    copy("mistral");
    Path file = folder.resolve("tokenizer.json");
    String json = Files.readString(file);
    assertThat(json).contains(good);
    Files.writeString(file, json.replace(good, bad));
    assertThatThrownBy(() -> HuggingFaceTokenizerFile.open(folder).close())
        .isInstanceOf(TokenizerException.class)
        .hasMessageContaining(file.toString())
        .hasMessageContaining(field);
  }

  @Test
  void refusesAMissingEnd() throws IOException {
    copy("mistral");
    Files.write(folder.resolve("tokenizer_config.json"), "{".getBytes(StandardCharsets.UTF_8));
    assertThat(refused("brace")).isTrue();
  }
}
