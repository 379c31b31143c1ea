package dev.theriac.llm.tokenizer;

import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;

/** The token table of a {@code tokenizer.json}: the model's vocabulary and the added tokens. */
final class Vocabulary {
  /** Ids beyond this are a mistake, and a table by id would be as large. */
  private static final int LARGEST = 1 << 26;

  private static final Pattern BYTE = Pattern.compile("<0x[0-9A-F]{2}>");

  private final Map<String, Integer> ids = new HashMap<>();
  private final BitSet special = new BitSet();
  private final BitSet bytes = new BitSet();
  private final boolean fallback;
  private final String name;
  private String[] tokens = new String[0];
  private int size;

  Vocabulary(JsonNode root, String name) {
    this.name = name;
    fallback = root.path("decoder").toString().contains("\"ByteFallback\"");
    JsonNode vocab = root.path("model").path("vocab");
    if (vocab.isObject()) {
      vocab.properties().forEach(e -> put(e.getKey(), e.getValue(), "model.vocab"));
    } else { // Unigram: [text, log probability], the id is the place
      for (int i = 0; i < vocab.size(); i++) {
        JsonNode text = vocab.get(i).path(0);
        if (!text.isString()) {
          throw JsonFiles.wrong(name, "model.vocab", vocab.get(i), "[text, number]");
        }
        put(text.asString(), i);
      }
    }
    for (JsonNode added : root.path("added_tokens")) {
      if (!added.path("content").isString()) {
        throw JsonFiles.wrong(name, "added_tokens", added, "objects with a text in \"content\"");
      }
      String content = added.path("content").asString();
      put(content, added.path("id"), "added_tokens");
      if (added.path("special").asBoolean(false)) {
        special.set(ids.get(content));
      }
    }
  }

  private void put(String token, JsonNode id, String where) {
    if (!id.isInt() || id.asInt() < 0 || id.asInt() > LARGEST) {
      throw new TokenizerException(
          "%s: %s: token '%s' has id %s, not a whole number up to %d"
              .formatted(name, where, token, id, LARGEST));
    }
    put(token, id.asInt());
  }

  /** For use before others see this object. */
  void put(String token, int id) {
    ids.put(token, id);
    if (id >= tokens.length) tokens = Arrays.copyOf(tokens, Math.max(id + 1, 2 * tokens.length));
    tokens[id] = token;
    size = Math.max(size, id + 1);
    if (fallback && BYTE.matcher(token).matches()) bytes.set(id);
  }

  /** For use before others see this object. */
  void markSpecial(int id) {
    special.set(id);
  }

  int size() {
    return size;
  }

  void check(int id, int position) {
    if (!has(id)) {
      throw new IllegalArgumentException(
          "token id %d at position %d is outside the vocabulary of %d tokens (%s)"
              .formatted(id, position, size, name));
    }
  }

  boolean has(int id) {
    return id >= 0 && id < size && tokens[id] != null;
  }

  /** Whether the token stands for one byte, which decoding joins with its neighbours. */
  boolean isByte(int id) {
    return id >= 0 && bytes.get(id);
  }

  String token(int id) {
    return tokens[id];
  }

  OptionalInt id(String token) {
    Integer id = ids.get(token);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  boolean isSpecial(int id) {
    return id >= 0 && special.get(id);
  }
}
