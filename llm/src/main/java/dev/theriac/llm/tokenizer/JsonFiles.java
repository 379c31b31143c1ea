package dev.theriac.llm.tokenizer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Reads a tokenizer's files; errors name the file and the field. */
final class JsonFiles {
  static final JsonMapper JSON = JsonMapper.builder().build();

  /** Several times the largest published tokenizer.json. */
  private static final long MAX_BYTES = 1L << 28;

  private JsonFiles() {}

  /**
   * All bytes of a file of at most 256 MiB.
   *
   * @throws TokenizerException if it is missing, unreadable or larger
   */
  static byte[] read(Path file) {
    try {
      long size = Files.size(file);
      if (size > MAX_BYTES) {
        throw new TokenizerException(
            "%s: %d bytes; a tokenizer's file has at most %d".formatted(file, size, MAX_BYTES));
      }
      return Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      throw new TokenizerException(
          file + ": no such file; a model directory needs its tokenizer.json", e);
    } catch (IOException e) {
      throw new TokenizerException(file + ": cannot be read (" + e + ")", e);
    }
  }

  /** The object that is all of a file's content. */
  static ObjectNode object(byte[] json, String name) {
    JsonNode root;
    try {
      root = JSON.readTree(json);
    } catch (JacksonException e) {
      throw new TokenizerException(name + ": not valid JSON: " + e.getOriginalMessage(), e);
    }
    if (root instanceof ObjectNode object) return object;
    throw new TokenizerException(name + ": is not a JSON object");
  }

  static TokenizerException wrong(String name, String field, JsonNode found, String wanted) {
    String text = found.toString();
    String shown = text.length() > 80 ? text.substring(0, 80) + "..." : text;
    return new TokenizerException(
        "%s: \"%s\" is %s, must be %s".formatted(name, field, shown, wanted));
  }
}
