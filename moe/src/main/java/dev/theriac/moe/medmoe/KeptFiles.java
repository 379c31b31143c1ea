package dev.theriac.moe.medmoe;

import dev.theriac.io.FileException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * What a model's directory held that the model itself does not say, to be written back by whoever
 * saves it.
 *
 * @param config the object in {@code config.json}; not to be changed
 * @param files other small files by name
 */
record KeptFiles(ObjectNode config, Map<String, byte[]> files) {
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final long MAX_BYTES = 1 << 26;

  /** Nothing was read. */
  static final KeptFiles NONE = new KeptFiles(JSON.createObjectNode(), Map.of());

  /**
   * Those that Hugging Face's tools look for. The tokenizer's own are {@link
   * dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile#files}; its older forms, of which it makes a
   * tokenizer.json, are here, since older tools read only them.
   */
  private static final List<String> NAMES =
      List.of(
          "generation_config.json",
          "vocab.json",
          "merges.txt",
          "added_tokens.json",
          "tokenizer.model",
          "chat_template.json",
          "preprocessor_config.json",
          "processor_config.json");

  /**
   * @param tokenizers directory of the tokenizer, as a rule the same
   */
  static KeptFiles read(Path directory, Path tokenizers) {
    Path config = directory.resolve("config.json");
    Map<String, byte[]> files = new LinkedHashMap<>();
    for (String name : NAMES) {
      for (Path at : new Path[] {directory, tokenizers}) {
        Path file = at.resolve(name);
        if (Files.isRegularFile(file)) files.putIfAbsent(name, bytes(file));
      }
    }
    try {
      JsonNode root = JSON.readTree(bytes(config));
      if (root instanceof ObjectNode object) return new KeptFiles(object, files);
    } catch (JacksonException e) {
      throw new FileException(config, "is not valid JSON: " + e.getOriginalMessage(), e);
    }
    throw new FileException(config, "is not a JSON object");
  }

  private static byte[] bytes(Path file) {
    try {
      if (Files.size(file) > MAX_BYTES) {
        throw new FileException(
            file, "%d bytes; at most %d are read".formatted(Files.size(file), MAX_BYTES));
      }
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new FileException(file, "cannot be read: " + e.getMessage(), e);
    }
  }
}
