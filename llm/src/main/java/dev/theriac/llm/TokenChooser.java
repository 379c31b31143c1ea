package dev.theriac.llm;

import dev.theriac.tensor.Rng;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * Chooses the next token of one row. Randomness is a function of (seed, row, step) alone, so that a
 * row's tokens depend neither on the other rows nor on their number.
 */
final class TokenChooser {
  private final GenerationConfig config;
  private final int row;
  private final boolean[] used;

  TokenChooser(GenerationConfig config, int row, int vocabulary) {
    this.config = config;
    this.row = row;
    this.used = new boolean[vocabulary];
  }

  /** The token for {@code logits}; ties go to the lower id, NaN loses to every number. */
  int next(float[] logits, int step) {
    if (config.repetitionPenalty() != 1) penalise(logits);
    int token = config.temperature() == 0 ? largest(logits) : sample(logits, step);
    used[token] = true;
    return token;
  }

  private void penalise(float[] logits) {
    float penalty = (float) config.repetitionPenalty();
    for (int i = 0; i < logits.length; i++) {
      if (used[i]) logits[i] = logits[i] > 0 ? logits[i] / penalty : logits[i] * penalty;
    }
  }

  static int largest(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      if (logits[i] > logits[best] || Float.isNaN(logits[best]) && !Float.isNaN(logits[i])) {
        best = i;
      }
    }
    return best;
  }

  private int sample(float[] logits, int step) {
    int[] order =
        IntStream.range(0, logits.length)
            .boxed()
            .sorted(Comparator.comparing((Integer i) -> -logits[i]))
            .mapToInt(Integer::intValue)
            .toArray();
    int kept = config.topK() == 0 ? order.length : Math.min(config.topK(), order.length);
    double[] weight = new double[kept];
    double sum = 0;
    for (int i = 0; i < kept; i++) {
      weight[i] =
          StrictMath.exp((logits[order[i]] - (double) logits[order[0]]) / config.temperature());
      sum += weight[i];
    }
    double mass = 0;
    for (int i = 0; i < kept; i++) {
      mass += weight[i];
      if (mass >= config.topP() * sum) {
        kept = i + 1;
        break;
      }
    }
    double total = Arrays.stream(weight, 0, kept).sum();
    double at = new Rng(config.seed(), row, step).nextFloat() * total;
    for (int i = 0; i < kept; i++) {
      at -= weight[i];
      if (at < 0) return order[i];
    }
    return order[kept - 1];
  }
}
