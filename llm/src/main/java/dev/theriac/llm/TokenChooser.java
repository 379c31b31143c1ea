package dev.theriac.llm;

import dev.theriac.tensor.Rng;
import java.util.Arrays;

/**
 * Chooses the next token of one row. Randomness is a function of (seed, row, step) alone, so that a
 * row's tokens depend neither on the other rows nor on their number.
 */
final class TokenChooser {
  private final GenerationConfig config;
  private final int row;
  private final int prompt;
  private final boolean[] used;

  TokenChooser(GenerationConfig config, int row, int vocabulary) {
    this(config, row, vocabulary, 0, new int[0]);
  }

  /**
   * @param length tokens of the prompt
   * @param prompt its ids, which the repetition penalty counts; none where they are not known
   */
  TokenChooser(GenerationConfig config, int row, int vocabulary, int length, int[] prompt) {
    this.config = config;
    this.row = row;
    this.prompt = length;
    this.used = new boolean[vocabulary];
    for (int id : prompt) used[id] = true;
  }

  /**
   * The token for {@code logits}, which are changed; ties go to the lower id, NaN loses to every
   * number.
   *
   * @param step number of tokens that were chosen before
   */
  int next(float[] logits, int step) {
    process(logits, step);
    int token = config.temperature() == 0 ? largest(logits) : sample(logits, step);
    used[token] = true;
    return token;
  }

  private void process(float[] logits, int step) {
    if (config.repetitionPenalty() != 1) penalise(logits);
    if (step < config.minNewTokens() || prompt + step < config.minLength()) {
      for (int id : config.endIds()) {
        if (id >= 0 && id < logits.length) logits[id] = Float.NEGATIVE_INFINITY;
      }
    }
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

  /** What is sampled from: ids, the likeliest first, and their weights. */
  private record Candidates(int[] ids, double[] weights) {}

  /** The probability of each token at a step; changes {@code logits}. */
  double[] probabilities(float[] logits, int step) {
    process(logits, step);
    Candidates c = candidates(logits);
    double total = Arrays.stream(c.weights).sum();
    double[] out = new double[logits.length];
    for (int i = 0; i < c.ids.length; i++) out[c.ids[i]] = c.weights[i] / total;
    return out;
  }

  private Candidates candidates(float[] logits) {
    int[] order = descending(logits);
    int kept = config.topK() == 0 ? order.length : Math.min(config.topK(), order.length);
    while (kept < order.length && logits[order[kept]] == logits[order[kept - 1]]) kept++;
    double[] weight = new double[kept];
    double sum = 0;
    double top = logits[order[0]];
    for (int i = 0; i < kept; i++) {
      // NaN and, where nothing else is left, minus infinity: the first takes all.
      double w = StrictMath.exp((logits[order[i]] - top) / config.temperature());
      weight[i] = Double.isNaN(w) ? (i == 0 ? 1 : 0) : w;
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
    return new Candidates(Arrays.copyOf(order, kept), Arrays.copyOf(weight, kept));
  }

  /** Ids by falling logits, ties by rising id, NaN last; sorted as numbers, without objects. */
  private static int[] descending(float[] logits) {
    long[] keys = new long[logits.length];
    for (int i = 0; i < keys.length; i++) {
      // Bits of a float rise with it once those of negative ones are turned; -0 becomes 0.
      float x = Float.isNaN(logits[i]) ? Float.NEGATIVE_INFINITY : logits[i] + 0f;
      int bits = Float.floatToIntBits(x);
      int rising = bits ^ (bits >> 31 & Integer.MAX_VALUE);
      keys[i] = (long) ~rising << 32 | i;
    }
    Arrays.sort(keys);
    int[] order = new int[keys.length];
    for (int i = 0; i < order.length; i++) order[i] = (int) keys[i];
    return order;
  }

  private int sample(float[] logits, int step) {
    Candidates c = candidates(logits);
    double total = Arrays.stream(c.weights).sum();
    double at = new Rng(config.seed(), row, step).nextFloat() * total;
    for (int i = 0; i < c.ids.length; i++) {
      at -= c.weights[i];
      if (at < 0) return c.ids[i];
    }
    return c.ids[c.ids.length - 1];
  }
}
