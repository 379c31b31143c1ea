package dev.theriac.llm;

import dev.theriac.io.FileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * How tokens are chosen; the rules, and their order, are those of transformers.
 *
 * @param maxNewTokens most tokens to generate for a row
 * @param temperature 0 for greedy; else logits are divided by it before sampling
 * @param topK samples among the k likeliest, and those that tie with the last; 0 for all
 * @param topP samples among the fewest tokens whose probabilities sum to at least p; 1 for all
 * @param repetitionPenalty divides positive (multiplies negative) logits of tokens of the prompt
 *     and of those generated already; 1 for none (Keskar et al., CTRL)
 * @param seed of the sampling; the same seed gives the same tokens
 * @param endIds tokens that end a row; they are not returned
 * @param minNewTokens tokens of a row before which it does not end by a token of {@code endIds}
 * @param stopStrings texts that end a row once they stand at its end; their tokens are returned
 * @param maxLength most tokens of a row, its prompt counted; 0 for no such limit
 * @param minLength as {@code minNewTokens}, the prompt counted
 */
public record GenerationConfig(
    int maxNewTokens,
    double temperature,
    int topK,
    double topP,
    double repetitionPenalty,
    long seed,
    Set<Integer> endIds,
    int minNewTokens,
    List<String> stopStrings,
    int maxLength,
    int minLength) {
  public GenerationConfig {
    if (maxNewTokens < 1
        || !(temperature >= 0)
        || topK < 0
        || !(topP > 0 && topP <= 1)
        || !(repetitionPenalty > 0)) {
      throw new IllegalArgumentException(
          ("generation: maxNewTokens %d (1 or more), temperature %s (0 or more), topK %d (0 or"
                  + " more), topP %s (in (0, 1]), repetitionPenalty %s (more than 0)")
              .formatted(maxNewTokens, temperature, topK, topP, repetitionPenalty));
    }
    if (minNewTokens < 0 || minNewTokens > maxNewTokens || maxLength < 0 || minLength < 0) {
      throw new IllegalArgumentException(
          ("generation: minNewTokens %d (0 to maxNewTokens, %d), maxLength %d, minLength %d (0 or"
                  + " more)")
              .formatted(minNewTokens, maxNewTokens, maxLength, minLength));
    }
    endIds = Set.copyOf(endIds);
    stopStrings = List.copyOf(stopStrings);
    if (stopStrings.contains("")) {
      throw new IllegalArgumentException("generation: an empty stop string ends every text");
    }
  }

  /** Without least lengths, stop strings, and a limit that counts the prompt. */
  public GenerationConfig(
      int maxNewTokens,
      double temperature,
      int topK,
      double topP,
      double repetitionPenalty,
      long seed,
      Set<Integer> endIds) {
    this(
        maxNewTokens, temperature, topK, topP, repetitionPenalty, seed, endIds, 0, List.of(), 0, 0);
  }

  /** The likeliest token every time. */
  public static GenerationConfig greedy(int maxNewTokens, int... endIds) {
    return new GenerationConfig(maxNewTokens, 0, 0, 1, 1, 0, ids(endIds));
  }

  /** Sampling at a temperature among the tokens of the top-p set. */
  public static GenerationConfig sampling(
      int maxNewTokens, double temperature, double topP, long seed, int... endIds) {
    return new GenerationConfig(maxNewTokens, temperature, 0, topP, 1, seed, ids(endIds));
  }

  private static Set<Integer> ids(int[] ids) {
    return IntStream.of(ids).boxed().collect(Collectors.toSet());
  }

  /**
   * Reads {@code generation_config.json}, with the defaults of transformers 5.18: greedily 20 new
   * tokens, and a top-k of 50 where {@code do_sample} is true. The seed is 0.
   *
   * @throws FileException naming file and field: of the wrong type, out of range, or one that would
   *     change the tokens and is not supported, such as {@code num_beams}
   */
  public static GenerationConfig read(Path file) {
    return GenerationConfigFile.read(file, GenerationConfigFile.NEW_TOKENS);
  }

  /**
   * The same with another number of new tokens where the file gives no limit.
   *
   * @throws FileException as there
   */
  public static GenerationConfig read(Path file, int newTokens) {
    return GenerationConfigFile.read(file, newTokens);
  }

  /** The file's content, but for the seed, which it has no field for. */
  public String json() {
    return GenerationConfigFile.json(this);
  }

  /** A copy with another limit of new tokens, and none that counts the prompt. */
  public GenerationConfig withMaxNewTokens(int wanted) {
    int least = Math.min(minNewTokens, wanted);
    return copy(wanted, seed, endIds, least, stopStrings, 0);
  }

  /** A copy with another temperature; 0 for the likeliest token every time. */
  public GenerationConfig withTemperature(double wanted) {
    return new GenerationConfig(
        maxNewTokens,
        wanted,
        topK,
        topP,
        repetitionPenalty,
        seed,
        endIds,
        minNewTokens,
        stopStrings,
        maxLength,
        minLength);
  }

  /** A copy with another least number of new tokens. */
  public GenerationConfig withMinNewTokens(int wanted) {
    return copy(maxNewTokens, seed, endIds, wanted, stopStrings, maxLength);
  }

  /** A copy with another seed. */
  public GenerationConfig withSeed(long wanted) {
    return copy(maxNewTokens, wanted, endIds, minNewTokens, stopStrings, maxLength);
  }

  /** A copy with other end tokens. */
  public GenerationConfig withEndIds(Set<Integer> wanted) {
    return copy(maxNewTokens, seed, wanted, minNewTokens, stopStrings, maxLength);
  }

  /** A copy with other stop strings. */
  public GenerationConfig withStopStrings(String... wanted) {
    return copy(maxNewTokens, seed, endIds, minNewTokens, List.of(wanted), maxLength);
  }

  private GenerationConfig copy(
      int most, long newSeed, Set<Integer> ends, int least, List<String> stops, int length) {
    return new GenerationConfig(
        most,
        temperature,
        topK,
        topP,
        repetitionPenalty,
        newSeed,
        ends,
        least,
        stops,
        length,
        minLength);
  }

  /** New tokens for a prompt of so many; 0 or less when there is no room. */
  int limit(int prompt) {
    return maxLength == 0 ? maxNewTokens : Math.min(maxNewTokens, maxLength - prompt);
  }
}
