package dev.theriac.llm.tokenizer;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A {@code tokenizer.json} and what the files beside it change in it, as transformers does: further
 * added tokens, named tokens made special, and tokens that are put around a text.
 */
final class TokenizerJson {
  private final ObjectNode root;
  private final String name;
  private final Vocabulary vocabulary;
  private final ArrayNode added;
  private final Map<String, ObjectNode> entries = new HashMap<>();
  private boolean changed;

  TokenizerJson(ObjectNode root, String name) {
    this.root = root;
    this.name = name;
    if (!root.path("model").path("vocab").isContainer()) {
      throw new TokenizerException(
          name + ": model.vocab is missing; is this a tokenizer.json (and not vocab.json)?");
    }
    JsonNode list = root.path("added_tokens");
    if (!list.isMissingNode() && !list.isNull() && !list.isArray()) {
      throw JsonFiles.wrong(name, "added_tokens", list, "a list");
    }
    added = list instanceof ArrayNode array ? array : root.putArray("added_tokens");
    vocabulary = new Vocabulary(root, name);
    for (JsonNode entry : added) {
      entries.put(entry.path("content").asString(), (ObjectNode) entry);
    }
  }

  /** The bytes to give to the library: {@code original} where nothing was changed. */
  byte[] bytes(byte[] original) {
    return changed || original == null ? JsonFiles.JSON.writeValueAsBytes(root) : original;
  }

  /** What the library reads: the same without truncation and padding, which are not used. */
  byte[] checked(byte[] bytes) {
    TokenizerGuard.check(root, name);
    if (!root.path("truncation").isContainer() && !root.path("padding").isContainer()) return bytes;
    ObjectNode plain = root.objectNode();
    plain.setAll(root);
    return JsonFiles.JSON.writeValueAsBytes(plain.putNull("truncation").putNull("padding"));
  }

  Vocabulary vocabulary() {
    return vocabulary;
  }

  void apply(TokenizerConfig config, List<AddedToken> more) {
    more.forEach(this::add);
    for (Optional<String> named : List.of(config.bos(), config.eos(), config.pad(), config.unk())) {
      named.ifPresent(this::makeSpecial);
    }
    config.extra().forEach(this::makeSpecial);
  }

  /**
   * Puts a token into {@code added_tokens} where it has the next id, as the library counts, and
   * into the model's vocabulary too where it has another.
   */
  private void add(AddedToken token) {
    OptionalInt known = vocabulary.id(token.content());
    if (known.isEmpty()) {
      place(token);
    } else if (known.getAsInt() != token.id()) {
      throw new TokenizerException(
          "%s: token '%s' has id %d, the files beside it say %d; do they belong together?"
              .formatted(name, token.content(), known.getAsInt(), token.id()));
    }
    if (!entries.containsKey(token.content())) append(token);
    else if (token.special()) makeSpecial(token.content());
  }

  private void place(AddedToken token) {
    JsonNode vocab = root.path("model").path("vocab");
    boolean next = token.id() == vocabulary.size();
    boolean used = vocabulary.has(token.id());
    if (used || !next && !vocab.isObject()) {
      throw new TokenizerException(
          "%s: the id %d of added token '%s' is %s"
              .formatted(
                  name, token.id(), token.content(), used ? "in use" : "not the next free one"));
    }
    if (!next) ((ObjectNode) vocab).put(token.content(), token.id());
  }

  private void append(AddedToken token) {
    ObjectNode entry = token.json();
    added.add(entry);
    entries.put(token.content(), entry);
    vocabulary.put(token.content(), token.id());
    if (token.special()) vocabulary.markSpecial(token.id());
    changed = true;
  }

  private void makeSpecial(String text) {
    OptionalInt id = vocabulary.id(text);
    if (id.isEmpty() || vocabulary.isSpecial(id.getAsInt())) return;
    ObjectNode entry = entries.get(text);
    if (entry == null) {
      append(AddedToken.special(id.getAsInt(), text));
    } else {
      entry.put("special", true);
      vocabulary.markSpecial(id.getAsInt());
      changed = true;
    }
  }

  /**
   * Sets the post-processor to one that adds the tokens that add_bos_token and add_eos_token name.
   * These fields are heeded only without a {@code tokenizer.json}, which has a post-processor.
   */
  void surround(TokenizerConfig config) {
    changed = true;
    String bos = config.addBos().orElse(false) ? config.bos().orElse(null) : null;
    String eos = config.addEos().orElse(false) ? config.eos().orElse(null) : null;
    if (bos == null && eos == null) {
      root.putNull("post_processor");
      return;
    }
    ObjectNode post = root.putObject("post_processor").put("type", "TemplateProcessing");
    around(post.putArray("single"), bos, eos, "A", 0);
    ArrayNode pair = post.putArray("pair");
    around(pair, bos, eos, "A", 0);
    around(pair, bos, eos, "B", 1);
    ObjectNode tokens = post.putObject("special_tokens");
    if (bos != null) special(tokens, "bos_token", bos);
    if (eos != null) special(tokens, "eos_token", eos);
  }

  private static void around(ArrayNode list, String bos, String eos, String text, int type) {
    if (bos != null) piece(list, "SpecialToken", bos, type);
    piece(list, "Sequence", text, type);
    if (eos != null) piece(list, "SpecialToken", eos, type);
  }

  private static void piece(ArrayNode list, String kind, String id, int type) {
    list.addObject().putObject(kind).put("id", id).put("type_id", type);
  }

  private void special(ObjectNode tokens, String field, String text) {
    OptionalInt id = vocabulary.id(text);
    if (id.isEmpty()) {
      throw new TokenizerException(
          "%s: no token '%s', which tokenizer_config.json names as %s"
              .formatted(name, text, field));
    }
    ObjectNode token = tokens.putObject(text).put("id", text);
    token.putArray("ids").add(id.getAsInt());
    token.putArray("tokens").add(text);
  }
}
