package dev.theriac.moe.kit.oracle;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * From one token's logits to its experts and their weights, and back.
 *
 * @param experts E
 * @param topK k
 * @param scoring what a logit is turned into
 * @param weighting how the chosen scores become weights
 * @param scale factor of every weight
 * @param groups number of equal groups of neighbouring experts; 1 for no limit
 * @param topGroups number of groups that a token may choose from
 * @param groupScore what a group is ranked by
 * @param correctionBias [E], added to the scores for the selection alone, or null
 */
public record OracleRouter(
    int experts,
    int topK,
    Scoring scoring,
    Weighting weighting,
    double scale,
    int groups,
    int topGroups,
    GroupScore groupScore,
    double[] correctionBias) {

  /** Scores: over all experts, or each on its own. */
  public enum Scoring {
    SOFTMAX,
    SIGMOID
  }

  /** RAW: the score itself. RENORMALISED: divided by the sum of the chosen ones. */
  public enum Weighting {
    RAW,
    RENORMALISED
  }

  /** A group's rank: its best expert (DeepSeek-V2), or the sum of its two best (DeepSeek-V3). */
  public enum GroupScore {
    MAX,
    SUM_OF_TWO
  }

  /** Without scale, groups and bias. */
  public static OracleRouter of(int experts, int topK, Scoring scoring, Weighting weighting) {
    return new OracleRouter(experts, topK, scoring, weighting, 1, 1, 1, GroupScore.MAX, null);
  }

  public OracleRouter scaled(double factor) {
    return new OracleRouter(
        experts, topK, scoring, weighting, factor, groups, topGroups, groupScore, correctionBias);
  }

  public OracleRouter grouped(int count, int top, GroupScore by) {
    return new OracleRouter(
        experts, topK, scoring, weighting, scale, count, top, by, correctionBias);
  }

  public OracleRouter biased(double... bias) {
    return new OracleRouter(
        experts, topK, scoring, weighting, scale, groups, topGroups, groupScore, bias);
  }

  /** Scores [E] of logits [E]: their softmax or sigmoids. */
  public double[] scores(double[] logits) {
    return scoring == Scoring.SOFTMAX
        ? softmax(logits)
        : Arrays.stream(logits).map(Activation::sigmoid).toArray();
  }

  /**
   * The chosen experts [k], best first: in order of falling score, NaN last, equal scores by rising
   * id. Softmax and sigmoid keep the order of logits, so the logits are ranked, unless a correction
   * bias is added to the scores or groups go by a sum of them. Experts outside of the chosen groups
   * rank as -infinity.
   */
  public int[] select(double[] logits) {
    double[] rank = logits.clone();
    if (correctionBias != null || groups > 1 && groupScore == GroupScore.SUM_OF_TWO) {
      rank = scores(logits);
      if (correctionBias != null) {
        for (int e = 0; e < experts; e++) rank[e] += correctionBias[e];
      }
    }
    if (groups > 1) maskOtherGroups(rank);
    return Arrays.copyOf(order(rank), topK);
  }

  private void maskOtherGroups(double[] rank) {
    int size = experts / groups;
    double[] of = new double[groups];
    for (int g = 0; g < groups; g++) {
      double[] members = Arrays.copyOfRange(rank, g * size, (g + 1) * size);
      int[] best = order(members);
      of[g] = members[best[0]];
      if (groupScore == GroupScore.SUM_OF_TWO && size > 1) of[g] += members[best[1]];
    }
    int[] best = order(of);
    for (int i = topGroups; i < groups; i++) {
      Arrays.fill(rank, best[i] * size, (best[i] + 1) * size, Double.NEGATIVE_INFINITY);
    }
  }

  /** The documented total order, as a sort: falling, NaN after -infinity, ties by rising index. */
  public static int[] order(double[] values) {
    return IntStream.range(0, values.length)
        .boxed()
        .sorted((a, b) -> before(values[a], a, values[b], b) ? -1 : a.equals(b) ? 0 : 1)
        .mapToInt(i -> i)
        .toArray();
  }

  private static boolean before(double x, int i, double y, int j) {
    if (Double.isNaN(x) || Double.isNaN(y)) {
      return Double.isNaN(x) == Double.isNaN(y) ? i < j : Double.isNaN(y);
    }
    return x > y || x == y && i < j;
  }

  /** The weights [k] of the chosen experts. */
  public double[] weights(double[] logits, int[] chosen) {
    double[] out;
    if (weighting == Weighting.RAW) {
      double[] scores = scores(logits);
      out = Arrays.stream(chosen).mapToDouble(e -> scores[e]).toArray();
    } else if (scoring == Scoring.SOFTMAX) {
      // Softmax, choice, division by the sum: equal to the softmax of the chosen logits.
      out = softmax(Arrays.stream(chosen).mapToDouble(e -> logits[e]).toArray());
    } else {
      out = Arrays.stream(chosen).mapToDouble(e -> Activation.sigmoid(logits[e])).toArray();
      double sum = Arrays.stream(out).sum();
      for (int j = 0; j < out.length; j++) out[j] /= sum;
    }
    for (int j = 0; j < out.length; j++) out[j] *= scale;
    return out;
  }

  /** Gradient [E] of the logits when {@code g} [k] arrives at the weights. */
  public double[] backward(double[] logits, int[] chosen, double[] g) {
    double[] unscaled = g.clone();
    for (int j = 0; j < g.length; j++) unscaled[j] *= scale;
    double[] scores = scores(logits);
    double[] dl = new double[experts];
    if (weighting == Weighting.RAW) {
      double[] ds = new double[experts];
      for (int j = 0; j < g.length; j++) ds[chosen[j]] += unscaled[j];
      return scoreGradient(logits, ds);
    }
    double[] s =
        new OracleRouter(
                experts, topK, scoring, weighting, 1, groups, topGroups, groupScore, correctionBias)
            .weights(logits, chosen);
    double mean = 0;
    for (int j = 0; j < g.length; j++) mean += unscaled[j] * s[j];
    double sum = 0;
    for (int e : chosen) sum += scores[e];
    for (int j = 0; j < g.length; j++) {
      int e = chosen[j];
      dl[e] =
          scoring == Scoring.SOFTMAX
              ? s[j] * (unscaled[j] - mean)
              : (unscaled[j] - mean) / sum * scores[e] * (1 - scores[e]);
    }
    return dl;
  }

  /** Gradient [E] of the logits when {@code ds} [E] arrives at the scores. */
  public double[] scoreGradient(double[] logits, double[] ds) {
    double[] p = scores(logits);
    double[] dl = new double[experts];
    double mean = 0;
    for (int e = 0; e < experts; e++) mean += p[e] * ds[e];
    for (int e = 0; e < experts; e++) {
      dl[e] = scoring == Scoring.SOFTMAX ? p[e] * (ds[e] - mean) : ds[e] * p[e] * (1 - p[e]);
    }
    return dl;
  }

  /** e^(x - max) / sum. */
  public static double[] softmax(double[] x) {
    double max = Arrays.stream(x).max().orElse(0);
    double[] y = new double[x.length];
    double sum = 0;
    for (int i = 0; i < x.length; i++) sum += y[i] = Math.exp(x[i] - max);
    for (int i = 0; i < x.length; i++) y[i] /= sum;
    return y;
  }

  /** log of the sum of e^x. */
  public static double logSumExp(double[] x) {
    double max = Arrays.stream(x).max().orElse(0);
    double sum = 0;
    for (double v : x) sum += Math.exp(v - max);
    return max + Math.log(sum);
  }
}
