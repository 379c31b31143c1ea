package dev.theriac.moe.audit;

/**
 * How sure a router was, in float64, in the order of the experts, and with StrictMath, so that
 * every JVM finds the same bits.
 */
final class Measures {
  private Measures() {}

  /**
   * The lowest score among the chosen less the highest among the others; null when there are no
   * others or nothing was chosen.
   *
   * @param eligible which experts could be chosen; null for all
   */
  static Double margin(float[] scores, int from, int experts, int[] chosen, boolean[] eligible) {
    if (chosen.length == 0) return null;
    boolean[] taken = new boolean[experts];
    double low = Double.POSITIVE_INFINITY;
    for (int id : chosen) {
      taken[id] = true;
      low = Math.min(low, scores[from + id]);
    }
    double high = Double.NEGATIVE_INFINITY;
    boolean any = false;
    for (int e = 0; e < experts; e++) {
      if (taken[e] || eligible != null && !eligible[e]) continue;
      high = Math.max(high, scores[from + e]);
      any = true;
    }
    return any ? low - high : null;
  }

  /** Shannon entropy in nats of values that are first divided by their sum. */
  static double entropy(float[] probabilities, int from, int experts) {
    double sum = 0;
    for (int e = 0; e < experts; e++) sum += probabilities[from + e];
    double out = 0;
    for (int e = 0; e < experts; e++) {
      double p = probabilities[from + e] / sum;
      if (p != 0) out -= p * StrictMath.log(p);
    }
    return out == 0 ? 0 : out;
  }
}
