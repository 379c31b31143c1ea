package dev.theriac.moe.kit.oracle;

import java.util.LinkedHashMap;
import java.util.SequencedMap;

/**
 * One expert: down act(gate x) or, gated, down (act(gate x) * up x). All arrays row-major.
 *
 * @param dim d, the width of tokens
 * @param width n, the hidden width
 * @param gate [n, d]
 * @param gateBias [n] or null
 * @param up [n, d], or null for a plain feed-forward
 * @param upBias [n] or null
 * @param down [d, n]
 * @param downBias [d] or null
 */
public record OracleFeedForward(
    int dim,
    int width,
    double[] gate,
    double[] gateBias,
    double[] up,
    double[] upBias,
    double[] down,
    double[] downBias) {

  /** Zeros of the same shapes, to add gradients to. */
  public OracleFeedForward zeros() {
    return new OracleFeedForward(
        dim,
        width,
        new double[gate.length],
        like(gateBias),
        like(up),
        like(upBias),
        new double[down.length],
        like(downBias));
  }

  private static double[] like(double[] a) {
    return a == null ? null : new double[a.length];
  }

  /** The arrays that there are, by name. */
  public SequencedMap<String, double[]> arrays() {
    SequencedMap<String, double[]> all = new LinkedHashMap<>();
    all.put("gate", gate);
    all.put("gateBias", gateBias);
    all.put("up", up);
    all.put("upBias", upBias);
    all.put("down", down);
    all.put("downBias", downBias);
    all.values().removeIf(a -> a == null);
    return all;
  }

  /** The output [d] for one token x [d]. */
  public double[] forward(double[] x, Activation activation) {
    return affine(down, downBias, hidden(x, activation), dim);
  }

  private double[] hidden(double[] x, Activation activation) {
    double[] zg = affine(gate, gateBias, x, width);
    double[] a = new double[width];
    for (int i = 0; i < width; i++) a[i] = activation.value(zg[i]);
    if (up == null) return a;
    double[] zu = affine(up, upBias, x, width);
    for (int i = 0; i < width; i++) a[i] *= zu[i];
    return a;
  }

  private static double[] affine(double[] w, double[] bias, double[] x, int rows) {
    double[] y = new double[rows];
    for (int i = 0; i < rows; i++) {
      double sum = bias == null ? 0 : bias[i];
      for (int j = 0; j < x.length; j++) sum += w[i * x.length + j] * x[j];
      y[i] = sum;
    }
    return y;
  }

  /**
   * Adds the gradients of weight * forward(x), when g arrives at it, to {@code dx} and {@code
   * sums}.
   *
   * @return the gradient of the weight, which is the product of g and the output
   */
  public double backward(
      double[] x,
      double weight,
      double[] g,
      Activation activation,
      double[] dx,
      OracleFeedForward sums) {
    double[] zg = affine(gate, gateBias, x, width);
    double[] zu = up == null ? null : affine(up, upBias, x, width);
    double[] a = hidden(x, activation);
    double weightGradient = 0;
    for (int j = 0; j < dim; j++) {
      if (downBias != null) {
        weightGradient += g[j] * downBias[j];
        sums.downBias[j] += weight * g[j];
      }
      for (int i = 0; i < width; i++) sums.down[j * width + i] += weight * g[j] * a[i];
    }
    for (int i = 0; i < width; i++) {
      double u = 0;
      for (int j = 0; j < dim; j++) u += g[j] * down[j * width + i];
      weightGradient += u * a[i];
      double da = weight * u;
      double slope = activation.slope(zg[i]);
      if (up == null) {
        through(i, da * slope, x, gate, dx, sums.gate, sums.gateBias);
      } else {
        through(i, da * zu[i] * slope, x, gate, dx, sums.gate, sums.gateBias);
        through(i, da * activation.value(zg[i]), x, up, dx, sums.up, sums.upBias);
      }
    }
    return weightGradient;
  }

  private static void through(
      int row, double dz, double[] x, double[] w, double[] dx, double[] dw, double[] dbias) {
    for (int j = 0; j < x.length; j++) {
      dw[row * x.length + j] += dz * x[j];
      dx[j] += dz * w[row * x.length + j];
    }
    if (dbias != null) dbias[row] += dz;
  }
}
