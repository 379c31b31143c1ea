package dev.theriac.llm;

import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * How tokens are chosen.
 *
 * @param maxNewTokens most tokens to generate for a row
 * @param temperature 0 for greedy; else logits are divided by it before sampling
 * @param topK samples among the k likeliest; 0 for all
 * @param topP samples among the fewest tokens whose probabilities sum to at least p; 1 for all
 * @param repetitionPenalty divides positive (multiplies negative) logits of tokens generated
 *     already; 1 for none (Keskar et al., CTRL)
 * @param seed of the sampling; the same seed gives the same tokens
 * @param endIds tokens that end a row; they are not returned
 */
public record GenerationConfig(
    int maxNewTokens,
    double temperature,
    int topK,
    double topP,
    double repetitionPenalty,
    long seed,
    Set<Integer> endIds) {
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
    endIds = Set.copyOf(endIds);
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
}
