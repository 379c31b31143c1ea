package dev.theriac.llm;

import dev.theriac.io.ConfigFields;
import dev.theriac.io.FileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** {@link GenerationConfig} as {@code generation_config.json}. */
final class GenerationConfigFile {
  private static final JsonMapper JSON = JsonMapper.builder().build();

  /** What transformers generates where the file gives no limit. */
  static final int NEW_TOKENS = 20;

  private static final int TOP_K = 50;

  /** Numbers that change the tokens, with the value at which they do not. */
  private static final Map<String, Double> NEUTRAL =
      Map.ofEntries(
          Map.entry("num_beams", 1.0),
          Map.entry("num_beam_groups", 1.0),
          Map.entry("num_return_sequences", 1.0),
          Map.entry("typical_p", 1.0),
          Map.entry("encoder_repetition_penalty", 1.0),
          Map.entry("guidance_scale", 1.0),
          Map.entry("min_p", 0.0),
          Map.entry("epsilon_cutoff", 0.0),
          Map.entry("eta_cutoff", 0.0),
          Map.entry("no_repeat_ngram_size", 0.0),
          Map.entry("encoder_no_repeat_ngram_size", 0.0),
          Map.entry("penalty_alpha", 0.0),
          Map.entry("diversity_penalty", 0.0));

  /** What changes the tokens unless it is null. */
  private static final List<String> REFUSED =
      List.of(
          "top_h",
          "max_time",
          "bad_words_ids",
          "forced_bos_token_id",
          "forced_eos_token_id",
          "exponential_decay_length_penalty",
          "suppress_tokens",
          "begin_suppress_tokens",
          "sequence_bias",
          "watermarking_config",
          "constraints",
          "force_words_ids",
          "dola_layers");

  private GenerationConfigFile() {}

  static GenerationConfig read(Path file, int newTokens) {
    ConfigFields in = ConfigFields.read(file);
    NEUTRAL.forEach((name, value) -> {
      if (in.number(name, value) != value) throw in.wrong(name, "null or " + value);
    });
    for (String name : REFUSED) if (in.has(name)) throw in.wrong(name, "null");
    if (in.flag("token_healing", false)) throw in.wrong("token_healing", "false");
    boolean sample = in.flag("do_sample", false);
    int maxLength = in.has("max_new_tokens") ? 0 : count(in, "max_length", 0, 0);
    int most = count(in, "max_new_tokens", maxLength == 0 ? newTokens : maxLength, 1);
    List<String> stops = in.anyTexts("stop_strings");
    double temperature = sample ? in.number("temperature", 1) : 0;
    double topP = sample ? in.number("top_p", 1) : 1;
    double penalty = in.number("repetition_penalty", 1);
    if (sample && !isPositive(temperature)) {
      throw in.wrong("temperature", "more than 0 (do_sample is true)");
    }
    if (!(topP > 0 && topP <= 1)) throw in.wrong("top_p", "more than 0 and at most 1");
    if (!isPositive(penalty)) throw in.wrong("repetition_penalty", "a finite number above 0");
    try {
      return new GenerationConfig(
          most,
          temperature,
          sample ? count(in, "top_k", TOP_K, 0) : 0,
          topP,
          penalty,
          0,
          Set.copyOf(in.anyIntegers("eos_token_id")),
          count(in, "min_new_tokens", 0, 0),
          stops,
          maxLength,
          count(in, "min_length", 0, 0));
    } catch (IllegalArgumentException e) {
      throw new FileException(file, "values that do not fit: " + e.getMessage(), e);
    }
  }

  private static int count(ConfigFields in, String name, int other, int least) {
    return in.integer(name, other, least, Integer.MAX_VALUE);
  }

  private static boolean isPositive(double number) {
    return number > 0 && number <= Double.MAX_VALUE;
  }

  static String json(GenerationConfig config) {
    ObjectNode root = JSON.createObjectNode();
    boolean sample = config.temperature() > 0;
    root.put("do_sample", sample);
    if (config.maxLength() > 0) root.put("max_length", config.maxLength());
    else root.put("max_new_tokens", config.maxNewTokens());
    if (sample) {
      root.put("temperature", config.temperature());
      root.put("top_k", config.topK()).put("top_p", config.topP());
    }
    root.put("repetition_penalty", config.repetitionPenalty());
    root.put("min_new_tokens", config.minNewTokens());
    if (config.minLength() > 0) root.put("min_length", config.minLength());
    ModelFiles.endIds(root, config.endIds());
    if (!config.stopStrings().isEmpty()) {
      config.stopStrings().forEach(root.putArray("stop_strings")::add);
    }
    return ModelFiles.pretty(root);
  }
}
