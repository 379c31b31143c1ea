package dev.theriac.llm.tokenizer;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What the files beside {@code tokenizer.json} say: {@code tokenizer_config.json}, {@code
 * special_tokens_map.json}, {@code added_tokens.json}, {@code chat_template.jinja}. Immutable.
 *
 * @param tokenizerClass class in transformers, without an ending {@code Fast}; empty if unsaid
 * @param bos text of the token that begins a text, if named
 * @param eos text of the token that ends a text, if named
 * @param pad text of the token that fills short rows, if named
 * @param unk text of the token for what has no other, if named
 * @param extra texts of further special tokens
 * @param addPrefixSpace whether a blank is put before a text that begins without one
 * @param addBos whether the first id of a text is {@code bos}; tokenizer.json, if any, decides
 * @param addEos whether the last id of a text is {@code eos}; tokenizer.json, if any, decides
 * @param padLeft whether rows are filled on the left
 * @param maxLength ids that the model takes at most, if said
 * @param chatTemplates Jinja texts by name; a single one is named {@code default}
 */
public record TokenizerConfig(
    String tokenizerClass,
    Optional<String> bos,
    Optional<String> eos,
    Optional<String> pad,
    Optional<String> unk,
    List<String> extra,
    boolean addPrefixSpace,
    Optional<Boolean> addBos,
    Optional<Boolean> addEos,
    boolean padLeft,
    OptionalInt maxLength,
    Map<String, String> chatTemplates) {

  /** That of a directory with {@code tokenizer.json} alone. */
  public static final TokenizerConfig NONE = named(Optional.empty(), Optional.empty());

  /** Copies the collections, which keep their order. */
  public TokenizerConfig {
    extra = List.copyOf(extra);
    chatTemplates = Collections.unmodifiableMap(new java.util.LinkedHashMap<>(chatTemplates));
  }

  /** One that names the end and pad tokens and says nothing else. */
  static TokenizerConfig named(Optional<String> eos, Optional<String> pad) {
    return new TokenizerConfig(
        "",
        Optional.empty(),
        eos,
        pad,
        Optional.empty(),
        List.of(),
        false,
        Optional.empty(),
        Optional.empty(),
        false,
        OptionalInt.empty(),
        Map.of());
  }
}
