package dev.theriac.llm.tokenizer;

import java.nio.file.Path;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The end and pad tokens that a {@code tokenizer_config.json} names.
 *
 * @param end text of the end token, or null where the file names none
 * @param pad text of the pad token, or null where the file names none
 */
record SpecialTokens(String end, String pad) {
  static final SpecialTokens NONE = new SpecialTokens(null, null);
  private static final JsonMapper JSON = JsonMapper.builder().build();

  static SpecialTokens parse(byte[] json, Path file) {
    try {
      JsonNode root = JSON.readTree(json);
      return new SpecialTokens(text(root.path("eos_token")), text(root.path("pad_token")));
    } catch (JacksonException e) {
      throw new TokenizerException(file + ": not valid JSON: " + e.getOriginalMessage(), e);
    }
  }

  /** A token is written as its text, or as an object with its text under {@code content}. */
  private static String text(JsonNode token) {
    JsonNode text = token.isObject() ? token.path("content") : token;
    return text.isString() ? text.asString() : null;
  }
}
