package dev.theriac.moe.medmoe.metrics;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * BLEU of one order for one sentence and one reference (Papineni et al. 2002, equation 1 to 3),
 * with NLTK's smoothing "method 1".
 */
final class Bleu {
  /** Stands for a count of zero, so that its logarithm exists. */
  private static final double EPSILON = 0.1;

  private Bleu() {}

  /**
   * Clipped n-gram precision times the brevity penalty; 0 if no single word matches.
   *
   * @param order n, 1 or more
   */
  static double score(List<String> candidate, List<String> reference, int order) {
    if (matches(candidate, reference, 1) == 0) {
      return 0;
    }
    int matches = matches(candidate, reference, order);
    int total = Math.max(1, candidate.size() - order + 1);
    double precision = (matches == 0 ? EPSILON : matches) / total;
    return precision * brevityPenalty(candidate.size(), reference.size());
  }

  private static double brevityPenalty(int candidate, int reference) {
    return candidate > reference ? 1 : Math.exp(1 - (double) reference / candidate);
  }

  private static int matches(List<String> candidate, List<String> reference, int order) {
    Map<List<String>, Integer> wanted = grams(reference, order);
    int matches = 0;
    for (Map.Entry<List<String>, Integer> gram : grams(candidate, order).entrySet()) {
      matches += Math.min(gram.getValue(), wanted.getOrDefault(gram.getKey(), 0));
    }
    return matches;
  }

  private static Map<List<String>, Integer> grams(List<String> words, int order) {
    Map<List<String>, Integer> grams = new HashMap<>();
    for (int i = 0; i + order <= words.size(); i++) {
      grams.merge(words.subList(i, i + order), 1, Integer::sum);
    }
    return grams;
  }
}
