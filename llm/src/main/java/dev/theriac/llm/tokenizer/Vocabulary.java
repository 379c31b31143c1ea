package dev.theriac.llm.tokenizer;

import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The token table of a {@code tokenizer.json}: the model's vocabulary and the added tokens. */
final class Vocabulary {
  private static final JsonMapper JSON = JsonMapper.builder().build();

  private final Map<String, Integer> ids = new HashMap<>();
  private final String[] tokens;
  private final BitSet special = new BitSet();
  private final String name;

  private Vocabulary(JsonNode root, String name) {
    this.name = name;
    JsonNode model = root.path("model");
    JsonNode vocab = model.path("vocab");
    if (vocab.isObject()) {
      vocab.properties().forEach(e -> put(e.getKey(), e.getValue(), "model.vocab"));
    } else if (vocab.isArray()) { // Unigram: [text, log probability], the id is the place
      for (int i = 0; i < vocab.size(); i++) {
        ids.put(vocab.get(i).path(0).asString(), i);
      }
    } else {
      throw new TokenizerException(
          name + ": model.vocab is missing; is this a tokenizer.json (and not vocab.json)?");
    }
    for (JsonNode added : root.path("added_tokens")) {
      String content = added.path("content").asString("");
      put(content, added.path("id"), "added_tokens");
      if (added.path("special").asBoolean(false)) {
        special.set(ids.get(content));
      }
    }
    int largest = ids.values().stream().mapToInt(Integer::intValue).max().orElse(-1);
    tokens = new String[largest + 1];
    ids.forEach((token, id) -> tokens[id] = token);
  }

  static Vocabulary parse(byte[] json, String name) {
    try {
      return new Vocabulary(JSON.readTree(json), name);
    } catch (JacksonException e) {
      throw new TokenizerException(name + ": not valid JSON: " + e.getOriginalMessage(), e);
    }
  }

  private void put(String token, JsonNode id, String where) {
    if (!id.isInt() || id.asInt() < 0) {
      throw new TokenizerException(
          name + ": " + where + ": token '" + token + "' has id " + id + ", not a whole number");
    }
    ids.put(token, id.asInt());
  }

  int size() {
    return tokens.length;
  }

  void check(int id, int position) {
    if (id < 0 || id >= tokens.length || tokens[id] == null) {
      throw new IllegalArgumentException(
          "token id %d at position %d is outside the vocabulary of %d tokens (%s)"
              .formatted(id, position, tokens.length, name));
    }
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
