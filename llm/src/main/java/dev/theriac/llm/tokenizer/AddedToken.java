package dev.theriac.llm.tokenizer;

import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A token that is found in text before anything else, as Hugging Face files describe it.
 *
 * @param id its id
 * @param content its text
 * @param singleWord only between the ends of words
 * @param lstrip with the blanks on its left
 * @param rstrip with the blanks on its right
 * @param normalized found in the normalised text, not in the original
 * @param special left out of text where special tokens are skipped
 */
record AddedToken(
    int id,
    String content,
    boolean singleWord,
    boolean lstrip,
    boolean rstrip,
    boolean normalized,
    boolean special) {

  /** One that marks the start, the end and the like. */
  static AddedToken special(int id, String content) {
    return new AddedToken(id, content, false, false, false, false, true);
  }

  /** As an entry of {@code added_tokens_decoder}, whose key is the id. */
  static AddedToken read(String name, String field, int id, JsonNode entry) {
    JsonNode content = entry.path("content");
    if (!entry.isObject() || !content.isString() || content.asString().isEmpty()) {
      throw JsonFiles.wrong(name, field, entry, "an object with a text in \"content\"");
    }
    boolean special = flag(name, field, entry, "special", false);
    return new AddedToken(
        id,
        content.asString(),
        flag(name, field, entry, "single_word", false),
        flag(name, field, entry, "lstrip", false),
        flag(name, field, entry, "rstrip", false),
        flag(name, field, entry, "normalized", !special),
        special);
  }

  private static boolean flag(
      String name, String field, JsonNode entry, String key, boolean other) {
    JsonNode value = entry.path(key);
    if (value.isMissingNode() || value.isNull()) return other;
    if (!value.isBoolean()) throw JsonFiles.wrong(name, field + "." + key, value, "true or false");
    return value.asBoolean();
  }

  /** As an entry of {@code added_tokens} in {@code tokenizer.json}. */
  ObjectNode json() {
    return JsonFiles.JSON
        .createObjectNode()
        .put("id", id)
        .put("content", content)
        .put("single_word", singleWord)
        .put("lstrip", lstrip)
        .put("rstrip", rstrip)
        .put("normalized", normalized)
        .put("special", special);
  }
}
