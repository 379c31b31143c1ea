package dev.theriac.moe.kit.oracle;

import dev.theriac.moe.kit.oracle.OracleRouter.Scoring;

/**
 * The router's losses over T tokens, with a mask of the valid ones. M valid tokens; none gives 0.
 * Choices count before any are dropped for capacity.
 */
public final class OracleLosses {
  private final OracleRouter router;
  private final double[][] logits;
  private final int[][] chosen;
  private final boolean[] valid;

  /**
   * @param logits [T][E]
   * @param chosen [T][k]
   * @param valid [T], or null when all are
   */
  public OracleLosses(OracleRouter router, double[][] logits, int[][] chosen, boolean[] valid) {
    this.router = router;
    this.logits = logits;
    this.chosen = chosen;
    this.valid = valid;
  }

  private boolean isValid(int t) {
    return valid == null || valid[t];
  }

  private int count(int from, int to) {
    int m = 0;
    for (int t = from; t < to; t++) if (isValid(t)) m++;
    return m;
  }

  /** Probabilities: softmax, or sigmoids divided by their sum over all experts. */
  private double[] probabilities(int t) {
    double[] p = router.scores(logits[t]);
    if (router.scoring() == Scoring.SOFTMAX) return p;
    double sum = 0;
    for (double v : p) sum += v;
    for (int e = 0; e < p.length; e++) p[e] /= sum;
    return p;
  }

  /** E / (k M^2) sum of c_e P_e: 1 when perfectly even (Switch, GShard; Fedus et al. eq. 4). */
  public double balance() {
    return balance(0, logits.length);
  }

  /** The mean over sequences of {@code length} tokens each of their own balance. */
  public double balancePerSequence(int length) {
    int sequences = logits.length / length;
    double sum = 0;
    for (int s = 0; s < sequences; s++) sum += balance(s * length, (s + 1) * length);
    return sequences == 0 ? 0 : sum / sequences;
  }

  private double balance(int from, int to) {
    double m = count(from, to);
    if (m == 0) return 0;
    double[] c = counts(from, to);
    double sum = 0;
    for (int t = from; t < to; t++) {
      if (!isValid(t)) continue;
      double[] p = probabilities(t);
      for (int e = 0; e < p.length; e++) sum += c[e] * p[e];
    }
    return router.experts() / (router.topK() * m * m) * sum;
  }

  private double[] counts(int from, int to) {
    double[] c = new double[router.experts()];
    for (int t = from; t < to; t++) {
      if (isValid(t)) for (int e : chosen[t]) c[e]++;
    }
    return c;
  }

  /** Adds factor * gradient of {@link #balance} to {@code dl} [T][E]; the counts are constants. */
  public void balanceGradient(double factor, double[][] dl) {
    balanceGradient(factor, 0, logits.length, dl);
  }

  /** As {@link #balanceGradient(double, double[][])}, of {@link #balancePerSequence}. */
  public void balancePerSequenceGradient(double factor, int length, double[][] dl) {
    int sequences = logits.length / length;
    for (int s = 0; s < sequences; s++) {
      balanceGradient(factor / sequences, s * length, (s + 1) * length, dl);
    }
  }

  private void balanceGradient(double factor, int from, int to, double[][] dl) {
    double m = count(from, to);
    if (m == 0) return;
    double[] c = counts(from, to);
    for (int t = from; t < to; t++) {
      if (!isValid(t)) continue;
      double[] p = probabilities(t);
      double[] dp = new double[p.length];
      double mean = 0;
      for (int e = 0; e < p.length; e++) {
        dp[e] = factor * router.experts() * c[e] / (router.topK() * m * m);
        mean += p[e] * dp[e];
      }
      if (router.scoring() == Scoring.SIGMOID) {
        double sum = 0;
        for (double v : router.scores(logits[t])) sum += v;
        for (int e = 0; e < p.length; e++) dp[e] = (dp[e] - mean) / sum;
      }
      double[] dlt = router.scoreGradient(logits[t], dp);
      for (int e = 0; e < p.length; e++) dl[t][e] += dlt[e];
    }
  }

  /** Mean of the squared log-sum-exp of logits (ST-MoE, Zoph et al. 2022, eq. 5). */
  public double z() {
    double m = count(0, logits.length);
    if (m == 0) return 0;
    double sum = 0;
    for (int t = 0; t < logits.length; t++) {
      if (isValid(t)) sum += Math.pow(OracleRouter.logSumExp(logits[t]), 2);
    }
    return sum / m;
  }

  /** Adds factor * gradient of {@link #z} to {@code dl} [T][E]. */
  public void zGradient(double factor, double[][] dl) {
    double m = count(0, logits.length);
    if (m == 0) return;
    for (int t = 0; t < logits.length; t++) {
      if (!isValid(t)) continue;
      double[] p = OracleRouter.softmax(logits[t]);
      double lse = OracleRouter.logSumExp(logits[t]);
      for (int e = 0; e < p.length; e++) dl[t][e] += factor * 2 * lse * p[e] / m;
    }
  }
}
