package dev.theriac.moe.kit.oracle;

import java.util.List;

/**
 * The dropless half of a layer, with routing given: y_t = sum over the token's choices of weight *
 * expert(x_t). An id of -1 is a dropped choice.
 *
 * @param experts one feed-forward for each id
 * @param activation that of all experts
 */
public record OracleMixture(List<OracleFeedForward> experts, Activation activation) {
  /**
   * Gradients of sum(g * y).
   *
   * @param x [T][d]
   * @param weights [T][k]; exactly 0 for a dropped choice
   * @param experts sums over tokens; exactly 0 for an expert without tokens
   */
  public record Gradients(double[][] x, double[][] weights, List<OracleFeedForward> experts) {}

  /**
   * @param x [T][d]
   * @param ids [T][k]
   * @param weights [T][k]
   * @return [T][d]
   */
  public double[][] forward(double[][] x, int[][] ids, double[][] weights) {
    double[][] y = new double[x.length][experts.getFirst().dim()];
    for (int t = 0; t < x.length; t++) {
      for (int j = 0; j < ids[t].length; j++) {
        if (ids[t][j] < 0) continue;
        double[] o = experts.get(ids[t][j]).forward(x[t], activation);
        for (int i = 0; i < o.length; i++) y[t][i] += weights[t][j] * o[i];
      }
    }
    return y;
  }

  /**
   * Gradients when {@code g} [T][d] arrives at the output, as {@link #forward} with the same
   * arguments.
   */
  public Gradients backward(double[][] x, int[][] ids, double[][] weights, double[][] g) {
    List<OracleFeedForward> sums = experts.stream().map(OracleFeedForward::zeros).toList();
    double[][] dx = new double[x.length][experts.getFirst().dim()];
    double[][] dw = new double[x.length][];
    for (int t = 0; t < x.length; t++) {
      dw[t] = new double[ids[t].length];
      for (int j = 0; j < ids[t].length; j++) {
        int e = ids[t][j];
        if (e < 0) continue;
        dw[t][j] =
            experts.get(e).backward(x[t], weights[t][j], g[t], activation, dx[t], sums.get(e));
      }
    }
    return new Gradients(dx, dw, sums);
  }
}
