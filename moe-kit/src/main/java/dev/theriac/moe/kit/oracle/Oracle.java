package dev.theriac.moe.kit.oracle;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * A mixture-of-experts layer in float64, one token after another: y_t = sum over chosen experts of
 * weight * expert(x_t), in the order of choice, + shared(x_t), where a shared expert may have a
 * gate sigmoid(v . x_t). Immutable but for the arrays, which {@link #parameters} hands out so that
 * central differences can move them.
 *
 * @param dim d
 * @param router from logits to experts and weights
 * @param routerWeight [E, d]
 * @param routerBias [E] or null
 * @param experts one feed-forward for each expert
 * @param activation that of experts and shared expert
 * @param shared an expert that every token passes, or null
 * @param sharedGate [d], or null for a weight of 1
 */
public record Oracle(
    int dim,
    OracleRouter router,
    double[] routerWeight,
    double[] routerBias,
    List<OracleFeedForward> experts,
    Activation activation,
    OracleFeedForward shared,
    double[] sharedGate) {

  /**
   * What a forward pass found.
   *
   * @param x [T][d]
   * @param logits [T][E]
   * @param chosen [T][k]
   * @param weights [T][k]
   * @param kept [T][k]: false for what was dropped for capacity
   * @param y [T][d]
   */
  public record Forward(
      double[][] x,
      double[][] logits,
      int[][] chosen,
      double[][] weights,
      boolean[][] kept,
      double[][] y) {}

  /**
   * Gradients of sum(g * y) + balance * balance loss + z * z-loss.
   *
   * @param x [T][d]
   * @param weights [T][k], of the routing weights
   * @param logits [T][E]
   * @param parameters by the names of {@link Oracle#parameters}
   */
  public record Gradients(
      double[][] x,
      double[][] weights,
      double[][] logits,
      SequencedMap<String, double[]> parameters) {}

  /** Decides which choices are dropped. */
  public interface Capacity {
    /** False for each choice [T][k] to drop. */
    boolean[][] keep(int[][] chosen, double[][] weights);
  }

  /** Every parameter that there is, by name: router.weight, expert0.gate, shared.down, ... */
  public SequencedMap<String, double[]> parameters() {
    SequencedMap<String, double[]> all = new LinkedHashMap<>();
    all.put("router.weight", routerWeight);
    if (routerBias != null) all.put("router.bias", routerBias);
    for (int e = 0; e < experts.size(); e++) {
      String prefix = "expert" + e + ".";
      experts.get(e).arrays().forEach((name, a) -> all.put(prefix + name, a));
    }
    if (shared != null) shared.arrays().forEach((name, a) -> all.put("shared." + name, a));
    if (sharedGate != null) all.put("sharedGate", sharedGate);
    return all;
  }

  /** Chooses experts, drops nothing. */
  public Forward forward(double[][] x) {
    return forward(x, (chosen, _) -> keepAll(chosen));
  }

  /** Chooses experts, drops what {@code capacity} says. */
  public Forward forward(double[][] x, Capacity capacity) {
    int[][] chosen = new int[x.length][];
    double[][] logits = logits(x);
    for (int t = 0; t < x.length; t++) chosen[t] = router.select(logits[t]);
    double[][] weights = weights(logits, chosen);
    return forward(x, chosen, capacity.keep(chosen, weights));
  }

  /** With experts that were chosen before: the replay of a recorded routing. */
  public Forward forward(double[][] x, int[][] chosen, boolean[][] kept) {
    double[][] logits = logits(x);
    double[][] weights = weights(logits, chosen);
    double[][] y = mixture().forward(x, dropped(chosen, kept), weights);
    for (int t = 0; t < x.length && shared != null; t++) {
      add(y[t], sharedWeight(x[t]), shared.forward(x[t], activation));
    }
    return new Forward(x, logits, chosen, weights, kept, y);
  }

  private OracleMixture mixture() {
    return new OracleMixture(experts, activation);
  }

  private static int[][] dropped(int[][] chosen, boolean[][] kept) {
    int[][] ids = new int[chosen.length][];
    for (int t = 0; t < ids.length; t++) {
      ids[t] = chosen[t].clone();
      for (int j = 0; j < ids[t].length; j++) if (!kept[t][j]) ids[t][j] = -1;
    }
    return ids;
  }

  /** True everywhere. */
  public static boolean[][] keepAll(int[][] chosen) {
    boolean[][] kept = new boolean[chosen.length][];
    for (int t = 0; t < chosen.length; t++) {
      kept[t] = new boolean[chosen[t].length];
      Arrays.fill(kept[t], true);
    }
    return kept;
  }

  private double[][] logits(double[][] x) {
    double[][] out = new double[x.length][router.experts()];
    for (int t = 0; t < x.length; t++) {
      for (int e = 0; e < router.experts(); e++) {
        double sum = routerBias == null ? 0 : routerBias[e];
        for (int j = 0; j < dim; j++) sum += routerWeight[e * dim + j] * x[t][j];
        out[t][e] = sum;
      }
    }
    return out;
  }

  private double[][] weights(double[][] logits, int[][] chosen) {
    double[][] out = new double[chosen.length][];
    for (int t = 0; t < out.length; t++) out[t] = router.weights(logits[t], chosen[t]);
    return out;
  }

  private double sharedWeight(double[] x) {
    return sharedGate == null ? 1 : Activation.sigmoid(dot(sharedGate, x));
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
  }

  private static void add(double[] to, double factor, double[] values) {
    for (int i = 0; i < to.length; i++) to[i] += factor * values[i];
  }

  /** The router's losses of a forward pass. */
  public OracleLosses losses(Forward f, boolean[] valid) {
    return new OracleLosses(router, f.logits, f.chosen, valid);
  }

  /** sum(g * y) + balance * balance loss + z * z-loss. */
  public double objective(Forward f, double[][] g, double balance, double z, boolean[] valid) {
    double sum = 0;
    for (int t = 0; t < g.length; t++) sum += dot(g[t], f.y[t]);
    OracleLosses losses = losses(f, valid);
    return sum + balance * losses.balance() + z * losses.z();
  }

  /** Gradients of {@link #objective}. */
  public Gradients backward(Forward f, double[][] g, double balance, double z, boolean[] valid) {
    OracleMixture.Gradients mixed =
        mixture().backward(f.x, dropped(f.chosen, f.kept), f.weights, g);
    Oracle sums = zeros(mixed.experts());
    int tokens = f.x.length;
    double[][] dx = mixed.x();
    double[][] dl = new double[tokens][router.experts()];
    for (int t = 0; t < tokens; t++) {
      if (shared != null) {
        double s = sharedWeight(f.x[t]);
        double ds = shared.backward(f.x[t], s, g[t], activation, dx[t], sums.shared);
        if (sharedGate != null) {
          add(sums.sharedGate, ds * s * (1 - s), f.x[t]);
          add(dx[t], ds * s * (1 - s), sharedGate);
        }
      }
      add(dl[t], 1, router.backward(f.logits[t], f.chosen[t], mixed.weights()[t]));
    }
    OracleLosses losses = losses(f, valid);
    losses.balanceGradient(balance, dl);
    losses.zGradient(z, dl);
    for (int t = 0; t < tokens; t++) {
      for (int e = 0; e < router.experts(); e++) {
        if (routerBias != null) sums.routerBias[e] += dl[t][e];
        for (int j = 0; j < dim; j++) {
          sums.routerWeight[e * dim + j] += dl[t][e] * f.x[t][j];
          dx[t][j] += dl[t][e] * routerWeight[e * dim + j];
        }
      }
    }
    return new Gradients(dx, mixed.weights(), dl, sums.parameters());
  }

  private Oracle zeros(List<OracleFeedForward> expertSums) {
    return new Oracle(
        dim,
        router,
        new double[routerWeight.length],
        routerBias == null ? null : new double[routerBias.length],
        expertSums,
        activation,
        shared == null ? null : shared.zeros(),
        sharedGate == null ? null : new double[dim]);
  }
}
