package dev.theriac.llm.tokenizer;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SequencedMap;
import java.util.TreeMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Reads the files of {@link TokenizerConfig}, as transformers merges them. */
final class TokenizerConfigReader {
  static final String CONFIG = "tokenizer_config.json";
  static final String SPECIAL = "special_tokens_map.json";
  static final String ADDED = "added_tokens.json";
  static final String TEMPLATE = "chat_template.jinja";
  static final String TEMPLATES = "additional_chat_templates";
  private static final String END_OF_TEXT = "<|endoftext|>";

  /** The files as read, by name. */
  final SequencedMap<String, byte[]> files = new LinkedHashMap<>();

  /** The tokens of added_tokens_decoder or, without it, of added_tokens.json, by id. */
  final List<AddedToken> added = new ArrayList<>();

  private final Path directory;
  private final String name;
  private ObjectNode root = JsonFiles.JSON.createObjectNode();

  TokenizerConfigReader(Path directory) {
    this.directory = directory;
    this.name = directory.resolve(CONFIG).toString();
  }

  TokenizerConfig read() {
    find(CONFIG).ifPresent(json -> root = JsonFiles.object(json, name));
    Optional<byte[]> special = find(SPECIAL);
    boolean decoder = root.path("added_tokens_decoder").isObject();
    // transformers lets the older file win where there is no added_tokens_decoder.
    if (!decoder && special.isPresent()) {
      root.setAll(JsonFiles.object(special.get(), directory.resolve(SPECIAL).toString()));
    }
    if (root.path("extra_special_tokens").isEmpty()) {
      JsonNode old = root.path("additional_special_tokens");
      if (!old.isMissingNode()) root.set("extra_special_tokens", old);
    }
    String type = text("tokenizer_class").orElse("");
    if (type.endsWith("Fast")) type = type.substring(0, type.length() - 4);
    TokenizerConfig config =
        new TokenizerConfig(
            type.equals("PreTrainedTokenizer") ? "" : type,
            token("bos_token", type),
            token("eos_token", type),
            token("pad_token", type),
            token("unk_token", type),
            extra(),
            flag("add_prefix_space").orElse(false),
            flag("add_bos_token"),
            flag("add_eos_token"),
            text("padding_side").map(this::left).orElse(false),
            maxLength(),
            templates());
    if (decoder) readDecoder();
    else find(ADDED).ifPresent(json -> readAdded(json, config));
    return config;
  }

  private Optional<byte[]> find(String file) {
    Path path = directory.resolve(file);
    if (!Files.exists(path)) return Optional.empty();
    byte[] bytes = JsonFiles.read(path);
    files.put(file, bytes);
    return Optional.of(bytes);
  }

  /** Texts named by the class where the file is silent; a null in the file means none. */
  private Optional<String> token(String field, String type) {
    JsonNode value = root.path(field);
    if (value.isMissingNode()) return Optional.ofNullable(byClass(field, type));
    if (value.isNull()) return Optional.empty();
    return Optional.of(content(field, value));
  }

  private static String byClass(String field, String type) {
    return switch (type) {
      case "GPT2Tokenizer", "CodeGenTokenizer", "GPTNeoXTokenizer" ->
          field.equals("pad_token") ? null : END_OF_TEXT;
      case "Qwen2Tokenizer" -> field.equals("bos_token") ? null : END_OF_TEXT;
      case "LlamaTokenizer" ->
          switch (field) {
            case "bos_token" -> "<s>";
            case "eos_token" -> "</s>";
            case "unk_token" -> "<unk>";
            default -> null;
          };
      default -> null;
    };
  }

  /** A token is written as its text, or as an object with its text under {@code content}. */
  private String content(String field, JsonNode value) {
    JsonNode text = value.isObject() ? value.path("content") : value;
    if (text.isString() && !text.asString().isEmpty()) return text.asString();
    throw JsonFiles.wrong(name, field, value, "a text or an object with a text in \"content\"");
  }

  private List<String> extra() {
    JsonNode value = root.path("extra_special_tokens");
    List<String> out = new ArrayList<>();
    if (value.isMissingNode() || value.isNull()) return out;
    if (!value.isArray() && !value.isObject()) {
      throw JsonFiles.wrong(name, "extra_special_tokens", value, "a list or an object of tokens");
    }
    for (JsonNode token : value) out.add(content("extra_special_tokens", token));
    return out;
  }

  private Optional<String> text(String field) {
    JsonNode value = root.path(field);
    if (value.isMissingNode() || value.isNull()) return Optional.empty();
    if (value.isString()) return Optional.of(value.asString());
    throw JsonFiles.wrong(name, field, value, "a text");
  }

  private Optional<Boolean> flag(String field) {
    JsonNode value = root.path(field);
    if (value.isMissingNode() || value.isNull()) return Optional.empty();
    if (value.isBoolean()) return Optional.of(value.asBoolean());
    throw JsonFiles.wrong(name, field, value, "true or false");
  }

  private boolean left(String side) {
    return switch (side) {
      case "left" -> true;
      case "right" -> false;
      default ->
          throw JsonFiles.wrong(
              name, "padding_side", root.path("padding_side"), "\"left\" or \"right\"");
    };
  }

  /** transformers writes 1e30 where there is no limit. */
  private OptionalInt maxLength() {
    JsonNode value = root.path("model_max_length");
    if (value.isMissingNode() || value.isNull()) return OptionalInt.empty();
    if (!value.isNumber() || value.asDouble() < 1) {
      throw JsonFiles.wrong(name, "model_max_length", value, "a number of 1 or more");
    }
    double number = value.asDouble();
    return number < Integer.MAX_VALUE ? OptionalInt.of((int) number) : OptionalInt.empty();
  }

  private Map<String, String> templates() {
    Map<String, String> out = new LinkedHashMap<>();
    JsonNode value = root.path("chat_template");
    if (value.isString()) {
      out.put("default", value.asString());
    } else if (value.isArray()) {
      for (JsonNode entry : value) {
        if (!entry.path("name").isString() || !entry.path("template").isString()) {
          throw JsonFiles.wrong(name, "chat_template", entry, "texts \"name\" and \"template\"");
        }
        out.put(entry.path("name").asString(), entry.path("template").asString());
      }
    } else if (!value.isMissingNode() && !value.isNull()) {
      throw JsonFiles.wrong(name, "chat_template", value, "a text or a list");
    }
    Map<String, String> own = templateFiles();
    return own.isEmpty() ? out : own; // the files win over the field
  }

  private Map<String, String> templateFiles() {
    Map<String, String> out = new LinkedHashMap<>();
    find(TEMPLATE).ifPresent(bytes -> out.put("default", utf8(bytes)));
    Path more = directory.resolve(TEMPLATES);
    if (!Files.isDirectory(more)) return out;
    List<String> names;
    try (var list = Files.list(more)) {
      names = list.map(file -> file.getFileName().toString()).sorted().toList();
    } catch (IOException e) {
      throw new TokenizerException(more + ": cannot be read (" + e + ")", e);
    }
    for (String file : names) {
      if (!file.endsWith(".jinja")) continue;
      find(TEMPLATES + "/" + file)
          .ifPresent(bytes -> out.put(file.substring(0, file.length() - 6), utf8(bytes)));
    }
    return out;
  }

  private static String utf8(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private void readDecoder() {
    Map<Integer, AddedToken> byId = new TreeMap<>();
    root.path("added_tokens_decoder")
        .properties()
        .forEach(entry -> {
          String field = "added_tokens_decoder." + entry.getKey();
          int id = key(entry.getKey(), field);
          byId.put(id, AddedToken.read(name, field, id, entry.getValue()));
        });
    added.addAll(byId.values());
  }

  private int key(String text, String field) {
    try {
      int id = Integer.parseInt(text);
      if (id >= 0) return id;
    } catch (NumberFormatException e) {
      // the same complaint
    }
    throw new TokenizerException(name + ": \"" + field + "\": the key must be an id");
  }

  /** added_tokens.json: texts and their ids. */
  private void readAdded(byte[] json, TokenizerConfig config) {
    String file = directory.resolve(ADDED).toString();
    Map<Integer, AddedToken> byId = new TreeMap<>();
    JsonFiles.object(json, file)
        .properties()
        .forEach(entry -> {
          JsonNode id = entry.getValue();
          if (!id.isInt() || id.asInt() < 0 || entry.getKey().isEmpty()) {
            throw JsonFiles.wrong(file, entry.getKey(), id, "an id");
          }
          String text = entry.getKey();
          boolean special =
              config.extra().contains(text)
                  || List.of(config.bos(), config.eos(), config.pad(), config.unk())
                      .contains(Optional.of(text));
          byId.put(
              id.asInt(), new AddedToken(id.asInt(), text, false, false, false, !special, special));
        });
    added.addAll(byId.values());
  }
}
