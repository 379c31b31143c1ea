package dev.theriac.moe.audit;

import java.util.ArrayList;
import java.util.List;
import java.util.SequencedMap;

/**
 * How far the routing of one layer tells cohorts apart. All measures are 0 when every cohort
 * spreads its routes alike, and have a largest value when no two cohorts share an expert. They
 * compare counts: the tokens of one picture are alike, so no measure here is a test of
 * significance, and small counts make all of them larger.
 *
 * @param jensenShannon entropy of the mean of the cohorts' shares less the mean of their entropies,
 *     every cohort counting alike, in nats (Lin 1991, equation 5.1); at most ln of their number
 * @param separation {@code jensenShannon} over its largest value, 0 to 1
 * @param totalVariation half the summed differences of shares of the two cohorts that are furthest
 *     apart, 0 to 1
 * @param first one of those two
 * @param second the other
 * @param cramersV root of chi-square over routes and over the smaller of cohorts - 1 and used
 *     experts - 1, 0 to 1; here large cohorts count more. NaN when one expert has all
 */
public record CohortDivergence(
    int layer,
    double jensenShannon,
    double separation,
    double totalVariation,
    String first,
    String second,
    double cramersV) {

  /**
   * @param routes of two or more cohorts by expert, each with at least one
   */
  static CohortDivergence of(int layer, SequencedMap<String, long[]> routes) {
    List<String> names = new ArrayList<>(routes.keySet());
    List<double[]> shares = routes.values().stream().map(CohortDivergence::shares).toList();
    double js = jensenShannon(shares);
    double furthest = -1;
    int a = 0;
    int b = 1;
    for (int i = 0; i < names.size(); i++) {
      for (int j = i + 1; j < names.size(); j++) {
        double distance = totalVariation(shares.get(i), shares.get(j));
        if (distance > furthest) {
          furthest = distance;
          a = i;
          b = j;
        }
      }
    }
    return new CohortDivergence(
        layer,
        js,
        Math.min(1, js / StrictMath.log(names.size())),
        furthest,
        names.get(a),
        names.get(b),
        cramersV(List.copyOf(routes.values())));
  }

  private static double[] shares(long[] counts) {
    double all = 0;
    for (long n : counts) all += n;
    double[] out = new double[counts.length];
    for (int e = 0; e < out.length; e++) out[e] = counts[e] / all;
    return out;
  }

  private static double jensenShannon(List<double[]> shares) {
    double[] mean = new double[shares.getFirst().length];
    double apart = 0;
    for (double[] p : shares) {
      apart += entropy(p);
      for (int e = 0; e < mean.length; e++) mean[e] += p[e] / shares.size();
    }
    return Math.max(0, entropy(mean) - apart / shares.size());
  }

  private static double entropy(double[] p) {
    double sum = 0;
    for (double x : p) if (x > 0) sum -= x * StrictMath.log(x);
    return sum;
  }

  private static double totalVariation(double[] p, double[] q) {
    double sum = 0;
    for (int e = 0; e < p.length; e++) sum += Math.abs(p[e] - q[e]);
    return sum / 2;
  }

  private static double cramersV(List<long[]> counts) {
    int experts = counts.getFirst().length;
    double[] ofExpert = new double[experts];
    double all = 0;
    for (long[] row : counts) {
      for (int e = 0; e < experts; e++) {
        ofExpert[e] += row[e];
        all += row[e];
      }
    }
    double chi = 0;
    for (long[] row : counts) {
      double ofCohort = 0;
      for (long n : row) ofCohort += n;
      for (int e = 0; e < experts; e++) {
        if (ofExpert[e] == 0) continue;
        double expected = ofCohort * ofExpert[e] / all;
        chi += (row[e] - expected) * (row[e] - expected) / expected;
      }
    }
    int used = 0;
    for (double n : ofExpert) if (n > 0) used++;
    int freedom = Math.min(counts.size() - 1, used - 1);
    return freedom == 0 ? Double.NaN : Math.min(1, Math.sqrt(chi / all / freedom));
  }
}
