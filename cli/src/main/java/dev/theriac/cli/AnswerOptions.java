package dev.theriac.cli;

import dev.theriac.llm.GenerationConfig;
import picocli.CommandLine.Option;

/** The options that say how an answer is generated, where the model's own settings are not to. */
final class AnswerOptions {
  @Option(
      names = "--max-tokens",
      paramLabel = "N",
      description = "Longest answer (default: what generation_config.json says, or 64).")
  private Integer maxTokens;

  @Option(
      names = "--temperature",
      paramLabel = "T",
      description =
          "0 for the likeliest answer, more for a sampled one (default: what generation_config.json"
              + " says, or 0).")
  private Double temperature;

  @Option(names = "--seed", paramLabel = "N", description = "Of the sampling (default 0).")
  private Long seed;

  /** Whether any was given. */
  boolean given() {
    return maxTokens != null || temperature != null || seed != null;
  }

  /**
   * The model's settings with those that were given.
   *
   * @throws IllegalArgumentException naming the one that is out of range
   */
  GenerationConfig of(GenerationConfig model) {
    GenerationConfig out = model;
    if (maxTokens != null) out = out.withMaxNewTokens(maxTokens);
    if (temperature != null) out = out.withTemperature(temperature);
    return seed == null ? out : out.withSeed(seed);
  }
}
