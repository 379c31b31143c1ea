package dev.theriac.bench.performance;

import dev.theriac.backend.Workers;
import dev.theriac.llm.DecoderConfig;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntUnaryOperator;

/**
 * A decoder block in float64 on its first tokens, which do not see the others, forward and
 * backward. Straight sums, nothing shared with the engine.
 */
final class BlockOracle implements Family.Expected {
  private static final int ROWS = BlocksFamily.ROWS;

  private final Inputs in;
  private final DecoderConfig config;
  private final int d;
  private final int hidden;
  private final int heads;
  private final int width;
  private final boolean phi;
  private final List<String> gradients;

  /** What reaches the output of each linear layer, and what went into it. */
  private final Map<String, double[][]> arriving = new HashMap<>();

  private final Map<String, double[][]> entering = new HashMap<>();
  private final double[][] y;
  private double[][] dx;
  private double[] dNorm;

  BlockOracle(Case c, Inputs in) {
    this.in = in;
    config = BlocksFamily.config(c.shape());
    d = config.dim();
    hidden = config.intermediate();
    heads = config.heads();
    width = config.headDim();
    phi = config.family() == DecoderConfig.Family.PHI;
    gradients = BlocksFamily.gradients(config);
    double[][] x = input("x");
    double[][] u = norm(x, "input_layernorm");
    double[][] q = rope(linear(u, "self_attn.q_proj", d, true), 1);
    double[][] k = rope(linear(u, "self_attn.k_proj", d, true), 1);
    double[][] v = linear(u, "self_attn.v_proj", d, true);
    double[][][] p = scores(q, k);
    double[][] a = mix(p, v);
    String last = phi ? "self_attn.dense" : "self_attn.o_proj";
    double[][] x1 = sum(x, linear(a, last, d, phi));
    double[][] m = phi ? u : norm(x1, "post_attention_layernorm");
    String first = phi ? "mlp.fc1" : "mlp.gate_proj";
    String down = phi ? "mlp.fc2" : "mlp.down_proj";
    double[][] z = linear(m, first, hidden, phi);
    double[][] up = phi ? null : linear(m, "mlp.up_proj", hidden, false);
    double[][] h = map(hidden, (t, i) -> act(z[t][i]) * (phi ? 1 : up[t][i]));
    y = sum(x1, linear(h, down, d, phi));
    if (!c.operation().endsWith("backward")) return;

    double[][] g = input("g");
    double[][] dh = back(g, down, hidden);
    double[][] dm =
        back(map(hidden, (t, i) -> dh[t][i] * slope(z[t][i]) * (phi ? 1 : up[t][i])), first, d);
    if (!phi) {
      dm = sum(dm, back(map(hidden, (t, i) -> dh[t][i] * act(z[t][i])), "mlp.up_proj", d));
    }
    double[][] dx1 = phi ? g : sum(g, normBack(x1, dm, "post_attention_layernorm", false));
    double[][] da = back(dx1, last, d);
    double[][] dq = new double[ROWS][d];
    double[][] dk = new double[ROWS][d];
    double[][] dv = new double[ROWS][d];
    attentionBack(q, k, v, p, da, dq, dk, dv);
    double[][] du = back(rope(dq, -1), "self_attn.q_proj", d);
    du = sum(du, back(rope(dk, -1), "self_attn.k_proj", d));
    du = sum(du, back(dv, "self_attn.v_proj", d));
    if (phi) du = sum(du, dm);
    dx = sum(dx1, normBack(x, du, "input_layernorm", true));
  }

  @Override
  public double at(int result, long index) {
    int i = (int) (index / d);
    if (result == 0) return y[i][(int) (index % d)];
    if (result == 1) return dx[i][(int) (index % d)];
    String name = gradients.get(result - 2);
    if (name.startsWith("input_layernorm")) return dNorm[(int) index];
    String layer = name.substring(0, name.lastIndexOf('.'));
    double[][] from = entering.get(layer);
    int columns = from[0].length;
    double sum = 0;
    for (int t = 0; t < ROWS; t++) {
      sum += arriving.get(layer)[t][(int) (index / columns)] * from[t][(int) (index % columns)];
    }
    return sum;
  }

  @FunctionalInterface
  private interface Entry {
    double at(int row, int column);
  }

  private static double[][] map(int columns, Entry entry) {
    double[][] out = new double[ROWS][columns];
    for (int t = 0; t < ROWS; t++) {
      for (int i = 0; i < columns; i++) out[t][i] = entry.at(t, i);
    }
    return out;
  }

  private static double[][] sum(double[][] a, double[][] b) {
    return map(a[0].length, (t, i) -> a[t][i] + b[t][i]);
  }

  private double[][] input(String name) {
    return map(d, (t, i) -> in.at(name, (long) t * d + i));
  }

  private double[][] linear(double[][] x, String name, int out, boolean bias) {
    int columns = x[0].length;
    entering.put(name, x);
    double[][] result = new double[ROWS][out];
    Workers.parallelFor(
        out,
        o -> {
          for (int t = 0; t < ROWS; t++) result[t][o] = bias ? in.at(name + ".bias", o) : 0;
          Input w = in.input(name + ".weight");
          for (int i = 0; i < columns; i++) {
            double value = w.at((long) o * columns + i);
            for (int t = 0; t < ROWS; t++) result[t][o] += value * x[t][i];
          }
        });
    return result;
  }

  private double[][] back(double[][] dy, String name, int columns) {
    arriving.put(name, dy);
    int out = dy[0].length;
    double[][] dxs = new double[ROWS][columns];
    Input w = in.input(name + ".weight");
    Workers.parallelFor(
        columns,
        i -> {
          for (int o = 0; o < out; o++) {
            double value = w.at((long) o * columns + i);
            for (int t = 0; t < ROWS; t++) dxs[t][i] += value * dy[t][o];
          }
        });
    return dxs;
  }

  private double[][] norm(double[][] x, String name) {
    double[][] n = normalised(x, null);
    return map(d, (t, i) -> n[t][i] * in.at(name + ".weight", i) + in.at(name + ".bias", i));
  }

  private double[][] normalised(double[][] x, double[] rstd) {
    double[][] out = new double[ROWS][];
    for (int t = 0; t < ROWS; t++) {
      double mean = 0;
      for (double v : x[t]) mean += v / d;
      double variance = 0;
      for (double v : x[t]) variance += (v - mean) * (v - mean) / d;
      double scale = 1 / Math.sqrt(variance + config.normEps());
      if (rstd != null) rstd[t] = scale;
      out[t] = new double[d];
      for (int i = 0; i < d; i++) out[t][i] = (x[t][i] - mean) * scale;
    }
    return out;
  }

  private double[][] normBack(double[][] x, double[][] dy, String name, boolean keep) {
    double[] rstd = new double[ROWS];
    double[][] n = normalised(x, rstd);
    if (keep) {
      dNorm = new double[d];
      for (int i = 0; i < d; i++) {
        for (int t = 0; t < ROWS; t++) dNorm[i] += dy[t][i] * n[t][i];
      }
    }
    double[][] out = new double[ROWS][d];
    for (int t = 0; t < ROWS; t++) {
      double mean = 0;
      double along = 0;
      for (int i = 0; i < d; i++) {
        double v = dy[t][i] * in.at(name + ".weight", i);
        mean += v / d;
        along += v * n[t][i] / d;
      }
      for (int i = 0; i < d; i++) {
        double v = dy[t][i] * in.at(name + ".weight", i);
        out[t][i] = rstd[t] * (v - mean - n[t][i] * along);
      }
    }
    return out;
  }

  private double[][] rope(double[][] x, int sign) {
    int half = config.rotaryDims() / 2;
    IntUnaryOperator within = i -> i % width;
    return map(
        d,
        (t, i) -> {
          int j = within.applyAsInt(i);
          if (j >= 2 * half) return x[t][i];
          double angle = t * Math.pow(config.ropeTheta(), -(double) (j % half) / half);
          double other = j < half ? -x[t][i + half] : x[t][i - half];
          return x[t][i] * Math.cos(angle) + sign * other * Math.sin(angle);
        });
  }

  /** Probabilities [heads][query][key]. */
  private double[][][] scores(double[][] q, double[][] k) {
    double[][][] p = new double[heads][ROWS][ROWS];
    for (int h = 0; h < heads; h++) {
      for (int t = 0; t < ROWS; t++) {
        double sum = 0;
        for (int s = 0; s <= t; s++) {
          double dot = 0;
          for (int i = h * width; i < (h + 1) * width; i++) dot += q[t][i] * k[s][i];
          p[h][t][s] = Math.exp(dot / Math.sqrt(width));
          sum += p[h][t][s];
        }
        for (int s = 0; s <= t; s++) p[h][t][s] /= sum;
      }
    }
    return p;
  }

  private double[][] mix(double[][][] p, double[][] v) {
    return map(
        d,
        (t, i) -> {
          double sum = 0;
          for (int s = 0; s <= t; s++) sum += p[i / width][t][s] * v[s][i];
          return sum;
        });
  }

  private void attentionBack(
      double[][] q,
      double[][] k,
      double[][] v,
      double[][][] p,
      double[][] da,
      double[][] dq,
      double[][] dk,
      double[][] dv) {
    double scale = 1 / Math.sqrt(width);
    for (int h = 0; h < heads; h++) {
      for (int t = 0; t < ROWS; t++) {
        double[] dp = new double[t + 1];
        double along = 0;
        for (int s = 0; s <= t; s++) {
          for (int i = h * width; i < (h + 1) * width; i++) {
            dp[s] += da[t][i] * v[s][i];
            dv[s][i] += p[h][t][s] * da[t][i];
          }
          along += dp[s] * p[h][t][s];
        }
        for (int s = 0; s <= t; s++) {
          double ds = p[h][t][s] * (dp[s] - along) * scale;
          for (int i = h * width; i < (h + 1) * width; i++) {
            dq[t][i] += ds * k[s][i];
            dk[s][i] += ds * q[t][i];
          }
        }
      }
    }
  }

  private double act(double z) {
    if (!phi) return z / (1 + Math.exp(-z));
    return 0.5 * z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z * z * z)));
  }

  private double slope(double z) {
    if (!phi) {
      double s = 1 / (1 + Math.exp(-z));
      return s * (1 + z * (1 - s));
    }
    double c = Math.sqrt(2 / Math.PI);
    double t = Math.tanh(c * (z + 0.044715 * z * z * z));
    return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * c * (1 + 3 * 0.044715 * z * z);
  }
}
