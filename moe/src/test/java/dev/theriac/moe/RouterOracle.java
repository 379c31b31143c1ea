package dev.theriac.moe;

import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.RouterConfig.Scoring;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/** One token's routing in float64, by the definitions: scores, then choice, then division. */
final class RouterOracle {
  private RouterOracle() {}

  static double[] scores(Scoring scoring, double[] logits) {
    if (scoring == Scoring.SIGMOID) {
      return Arrays.stream(logits).map(l -> 1 / (1 + Math.exp(-l))).toArray();
    }
    double max = Arrays.stream(logits).max().orElseThrow();
    double sum = Arrays.stream(logits).map(l -> Math.exp(l - max)).sum();
    return Arrays.stream(logits).map(l -> Math.exp(l - max) / sum).toArray();
  }

  /** The k best, groups that are not kept set to -infinity; ties to the lower id. */
  static int[] choose(RouterConfig config, double[] logits, double[] bias) {
    double[] rank = scores(config.scoring(), logits);
    for (int e = 0; bias != null && e < rank.length; e++) rank[e] += bias[e];
    int groups = config.groups().groups();
    int width = rank.length / groups;
    if (groups > 1) {
      double[] best = new double[groups];
      for (int g = 0; g < groups; g++) {
        double[] of = Arrays.copyOfRange(rank, g * width, g * width + width);
        Arrays.sort(of);
        for (int i = 0; i < Math.min(width, config.groups().best()); i++) {
          best[g] += of[width - 1 - i];
        }
      }
      List<Integer> kept = sorted(best).subList(0, config.groups().kept());
      for (int e = 0; e < rank.length; e++) {
        if (!kept.contains(e / width)) rank[e] = Double.NEGATIVE_INFINITY;
      }
    }
    return sorted(rank).stream().limit(config.topK()).mapToInt(i -> i).toArray();
  }

  private static List<Integer> sorted(double[] rank) {
    List<Integer> ids = new ArrayList<>();
    for (int e = 0; e < rank.length; e++) ids.add(e);
    ids.sort(Comparator.comparingDouble(e -> -rank[e]));
    return ids;
  }

  /** Weights of given experts. */
  static double[] weights(RouterConfig config, double[] logits, long[] experts) {
    double[] p = scores(config.scoring(), logits);
    double[] w = new double[experts.length];
    double sum = 0;
    for (int j = 0; j < w.length; j++) sum += w[j] = p[(int) experts[j]];
    for (int j = 0; j < w.length; j++) {
      if (config.weighting() == Weighting.RENORMALISED) w[j] /= sum;
      w[j] *= config.scale();
    }
    return w;
  }
}
