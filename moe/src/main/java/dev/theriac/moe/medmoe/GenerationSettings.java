package dev.theriac.moe.medmoe;

import dev.theriac.llm.GenerationConfig;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** How tokens were chosen, as the settings of a trail. */
final class GenerationSettings {
  private static final String END = "eos_token_id";
  private static final String STOP = "stop_strings";
  private static final JsonMapper JSON = JsonMapper.builder().build();

  private GenerationSettings() {}

  /**
   * @param endId token that ends a text unless others are written
   */
  static SequencedMap<String, String> write(GenerationConfig config, int endId) {
    SequencedMap<String, String> out = new LinkedHashMap<>();
    out.put("max_new_tokens", Integer.toString(config.maxNewTokens()));
    out.put("temperature", Double.toString(config.temperature()));
    out.put("top_k", Integer.toString(config.topK()));
    out.put("top_p", Double.toString(config.topP()));
    out.put("repetition_penalty", Double.toString(config.repetitionPenalty()));
    out.put("seed", Long.toString(config.seed()));
    optional(out, "min_new_tokens", config.minNewTokens());
    optional(out, "max_length", config.maxLength());
    optional(out, "min_length", config.minLength());
    if (!config.endIds().equals(Set.of(endId))) {
      out.put(END, JSON.writeValueAsString(config.endIds().stream().sorted().toList()));
    }
    if (!config.stopStrings().isEmpty()) {
      out.put(STOP, JSON.writeValueAsString(config.stopStrings()));
    }
    return out;
  }

  /**
   * @throws IllegalArgumentException naming the setting that is missing or impossible
   */
  static GenerationConfig read(Map<String, String> settings, int endId) {
    return new GenerationConfig(
        value(settings, "max_new_tokens", Integer::valueOf),
        value(settings, "temperature", Double::valueOf),
        value(settings, "top_k", Integer::valueOf),
        value(settings, "top_p", Double::valueOf),
        value(settings, "repetition_penalty", Double::valueOf),
        value(settings, "seed", Long::valueOf),
        Set.copyOf(list(settings, END, JsonNode::isInt, JsonNode::intValue, List.of(endId))),
        optional(settings, "min_new_tokens"),
        list(settings, STOP, JsonNode::isString, JsonNode::asString, List.of()),
        optional(settings, "max_length"),
        optional(settings, "min_length"));
  }

  private static void optional(Map<String, String> out, String name, int value) {
    if (value != 0) out.put(name, Integer.toString(value));
  }

  private static int optional(Map<String, String> settings, String name) {
    return settings.containsKey(name) ? value(settings, name, Integer::valueOf) : 0;
  }

  private static <T> List<T> list(
      Map<String, String> settings,
      String name,
      Predicate<JsonNode> is,
      Function<JsonNode, T> value,
      List<T> missing) {
    String text = settings.get(name);
    if (text == null) return missing;
    try {
      JsonNode root = JSON.readTree(text);
      if (root.isArray() && root.valueStream().allMatch(is)) {
        return root.valueStream().map(value).toList();
      }
    } catch (JacksonException e) {
      // Reported below.
    }
    throw new IllegalArgumentException(
        "replay: setting %s of the trail is %s, no such list; record it again with this library"
            .formatted(name, text));
  }

  private static <T> T value(Map<String, String> settings, String name, Function<String, T> parse) {
    String text = settings.get(name);
    try {
      if (text != null) return parse.apply(text);
    } catch (NumberFormatException e) {
      // Reported below.
    }
    throw new IllegalArgumentException(
        "replay: setting %s of the trail is %s; record it again with this library"
            .formatted(name, text == null ? "missing" : "\"" + text + "\", no number"));
  }
}
