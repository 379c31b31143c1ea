package dev.theriac.llm.tokenizer;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;

/**
 * Refuses what would make the native library end the process, or answer by chance: it is given a
 * {@code tokenizer.json} only after these checks. They are stricter than the format where the
 * library has no check of its own.
 */
final class TokenizerGuard {
  private static final Map<String, Set<String>> KNOWN =
      Map.of(
          "normalizer",
          Set.of(
              "NFC",
              "NFD",
              "NFKC",
              "NFKD",
              "Lowercase",
              "Strip",
              "StripAccents",
              "Replace",
              "Prepend",
              "Sequence",
              "BertNormalizer"),
          "pre_tokenizer",
          Set.of(
              "ByteLevel",
              "Split",
              "Sequence",
              "Metaspace",
              "Whitespace",
              "WhitespaceSplit",
              "Digits",
              "Punctuation",
              "BertPreTokenizer"),
          "post_processor",
          Set.of(
              "ByteLevel", "TemplateProcessing", "Sequence", "BertProcessing", "RobertaProcessing"),
          "decoder",
          Set.of(
              "ByteLevel",
              "Replace",
              "ByteFallback",
              "Fuse",
              "Strip",
              "Metaspace",
              "Sequence",
              "WordPiece",
              "BPEDecoder"),
          "model",
          Set.of("BPE", "Unigram", "WordPiece", "WordLevel"));

  /** A repeated group with a repetition in it takes exponential time. */
  private static final Pattern NESTED = Pattern.compile("\\([^()]*[*+}][^()]*\\)[*+{]");

  private final String name;

  private TokenizerGuard(String name) {
    this.name = name;
  }

  /**
   * @throws TokenizerException naming the field that is refused, and why
   */
  static void check(JsonNode root, String name) {
    TokenizerGuard guard = new TokenizerGuard(name);
    for (String part : List.of("normalizer", "pre_tokenizer", "post_processor", "decoder")) {
      JsonNode step = root.path(part);
      if (!step.isMissingNode() && !step.isNull()) guard.step(part, part, step);
    }
    guard.model(root.path("model"));
  }

  private void step(String part, String field, JsonNode step) {
    JsonNode type = step.path("type");
    if (!type.isString() || !KNOWN.get(part).contains(type.asString())) {
      throw JsonFiles.wrong(
          name, field + ".type", type, "one of " + KNOWN.get(part).stream().sorted().toList());
    }
    switch (type.asString()) {
      case "Sequence" -> {
        for (String list : List.of("normalizers", "pretokenizers", "processors", "decoders")) {
          JsonNode steps = step.path(list);
          for (int i = 0; i < steps.size(); i++) {
            step(part, "%s.%s[%d]".formatted(field, list, i), steps.path(i));
          }
        }
      }
      case "TemplateProcessing" -> template(field, step);
      case "Strip" -> {
        JsonNode stop = step.path("stop");
        if (part.equals("decoder") && !(stop.isInt() && stop.asInt() == 0)) {
          throw JsonFiles.wrong(name, field + ".stop", stop, "0");
        }
      }
      default -> {}
    }
    JsonNode regex = step.path("pattern").path("Regex");
    if (regex.isString() && NESTED.matcher(regex.asString()).find()) {
      throw JsonFiles.wrong(
          name, field + ".pattern", regex, "without a repetition in a repeated group");
    }
  }

  private void template(String field, JsonNode step) {
    JsonNode tokens = step.path("special_tokens");
    for (JsonNode token : tokens) {
      JsonNode ids = token.path("ids");
      if (!ids.isArray() || ids.size() != token.path("tokens").size()) {
        throw JsonFiles.wrong(
            name, field + ".special_tokens", token, "as many \"tokens\" as \"ids\"");
      }
    }
    for (String kind : List.of("single", "pair")) {
      for (JsonNode piece : step.path(kind)) {
        JsonNode special = piece.path("SpecialToken").path("id");
        if (special.isString() && !tokens.has(special.asString())) {
          throw JsonFiles.wrong(name, field + "." + kind, piece, "a token of special_tokens");
        }
      }
    }
  }

  private void model(JsonNode model) {
    JsonNode type = model.path("type");
    boolean old = type.isMissingNode(); // files of early versions name no type
    if (!old && !(type.isString() && KNOWN.get("model").contains(type.asString()))) {
      throw JsonFiles.wrong(
          name, "model.type", type, "one of " + KNOWN.get("model").stream().sorted().toList());
    }
    JsonNode dropout = model.path("dropout");
    if (!dropout.isMissingNode() && !dropout.isNull() && dropout.asDouble(1) != 0) {
      throw JsonFiles.wrong(name, "model.dropout", dropout, "null: ids would depend on chance");
    }
    String prefix = model.path("continuing_subword_prefix").asString("");
    if (prefix.isEmpty() || type.asString("BPE").equals("WordPiece")) return;
    for (JsonNode merge : model.path("merges")) {
      String right =
          merge.isString()
              ? merge.asString().substring(merge.asString().indexOf(' ') + 1)
              : merge.path(1).asString("");
      if (!right.startsWith(prefix)) {
        throw JsonFiles.wrong(
            name,
            "model.merges",
            merge,
            "two tokens of which the second starts with '" + prefix + "'");
      }
    }
  }
}
