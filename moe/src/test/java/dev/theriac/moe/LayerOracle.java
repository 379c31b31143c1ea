package dev.theriac.moe;

import dev.theriac.backend.Erf;
import dev.theriac.backend.UnaryKind;
import dev.theriac.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * A MoE layer as a loop over tokens in float64, reading the parameters of a {@link MoeLayer} by
 * path, and its gradients by central differences.
 */
final class LayerOracle {
  private final Map<String, double[]> weights = new LinkedHashMap<>();
  private final UnaryKind activation;
  private final int count;
  private final int topK;
  private final boolean renormalised;
  private final int dim;

  LayerOracle(MoeLayer layer, int dim) {
    layer.parameters().forEach((path, p) -> weights.put(path, doubles(p.value())));
    activation = layer.experts().activation();
    count = layer.experts().count();
    topK = layer.router().topK();
    renormalised = layer.router().weighting() == Router.Weighting.RENORMALISED;
    this.dim = dim;
  }

  static double[] doubles(Tensor t) {
    float[] from = t.toFloats();
    return IntStream.range(0, from.length).mapToDouble(i -> from[i]).toArray();
  }

  /** The parameters, to be changed in place. */
  Map<String, double[]> weights() {
    return weights;
  }

  double[] forward(double[] u) {
    double[] out = new double[u.length];
    for (int t = 0; t * dim < u.length; t++) {
      double[] x = new double[dim];
      System.arraycopy(u, t * dim, x, 0, dim);
      System.arraycopy(token(x), 0, out, t * dim, dim);
    }
    return out;
  }

  /** Slopes of sum(g * forward(u)) in each element of {@code of}, which {@code u} may be. */
  double[] differences(double[] of, double[] u, double[] g) {
    double[] slopes = new double[of.length];
    double h = 0x1p-12;
    for (int i = 0; i < of.length; i++) {
      double old = of[i];
      of[i] = old + h;
      double up = dot(forward(u), g);
      of[i] = old - h;
      double down = dot(forward(u), g);
      of[i] = old;
      slopes[i] = (up - down) / (2 * h);
    }
    return slopes;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
  }

  private double[] token(double[] x) {
    double[] p = softmax(linear("gate.wg", -1, x));
    int[] ids =
        IntStream.range(0, count)
            .boxed()
            .sorted((a, b) -> Double.compare(p[b], p[a]))
            .limit(topK)
            .mapToInt(i -> i)
            .toArray();
    double sum = 0;
    for (int e : ids) sum += p[e];
    double[] y = new double[dim];
    for (int e : ids) {
      double[] o = feedForward("experts.", e, activation, x);
      for (int i = 0; i < dim; i++) y[i] += o[i] * (renormalised ? p[e] / sum : p[e]);
    }
    return shared(x, y);
  }

  private double[] shared(double[] x, double[] y) {
    double a = 1;
    double b = 1;
    double[] o;
    if (has("meta_moe.")) {
      o = feedForward("meta_moe.", -1, null, x);
    } else if (has("shared_experts.")) {
      o = feedForward("shared_experts.", -1, null, x);
    } else if (has("shared_expert.")) {
      o = feedForward("shared_expert.", -1, null, x);
      b = 1 / (1 + Math.exp(-linear("shared_expert_gate", -1, x)[0]));
    } else if (has("mlp.")) {
      o = feedForward("mlp.", -1, null, x);
      double[] c = softmax(linear("coefficient", -1, x));
      a = c[0];
      b = c[1];
    } else {
      return y;
    }
    double[] out = new double[dim];
    for (int i = 0; i < dim; i++) out[i] = a * y[i] + b * o[i];
    return out;
  }

  private boolean has(String prefix) {
    return weights.keySet().stream().anyMatch(path -> path.startsWith(prefix));
  }

  private double[] feedForward(String prefix, int expert, UnaryKind act, double[] x) {
    if (weights.containsKey(prefix + "fc1.weight")) {
      UnaryKind kind = act == null ? UnaryKind.GELU_TANH : act;
      double[] z = linear(prefix + "fc1", expert, x);
      for (int i = 0; i < z.length; i++) z[i] = act(kind, z[i]);
      return linear(prefix + "fc2", expert, z);
    }
    UnaryKind kind = act == null ? UnaryKind.SILU : act;
    double[] z = linear(prefix + "gate_proj", expert, x);
    double[] up = linear(prefix + "up_proj", expert, x);
    for (int i = 0; i < z.length; i++) z[i] = act(kind, z[i]) * up[i];
    return linear(prefix + "down_proj", expert, z);
  }

  private static double act(UnaryKind kind, double z) {
    return switch (kind) {
      case RELU -> Math.max(0, z);
      case SILU -> z / (1 + Math.exp(-z));
      case GELU -> 0.5 * z * (1 + Erf.erf(z / Math.sqrt(2)));
      case GELU_TANH ->
          0.5 * z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z * z * z)));
      default -> throw new IllegalArgumentException(kind.toString());
    };
  }

  /** With the given expert's part of stacked weights, or all of them for -1. */
  private double[] linear(String name, int expert, double[] x) {
    double[] w = weights.get(name + ".weight");
    double[] bias = weights.get(name + ".bias");
    int out = w.length / x.length / (expert < 0 ? 1 : count);
    int row = Math.max(0, expert) * out;
    double[] y = new double[out];
    for (int o = 0; o < out; o++) {
      double sum = bias == null ? 0 : bias[row + o];
      for (int i = 0; i < x.length; i++) sum += w[(row + o) * x.length + i] * x[i];
      y[o] = sum;
    }
    return y;
  }

  private static double[] softmax(double[] logits) {
    double max = Double.NEGATIVE_INFINITY;
    for (double l : logits) max = Math.max(max, l);
    double sum = 0;
    double[] p = new double[logits.length];
    for (int i = 0; i < p.length; i++) sum += p[i] = Math.exp(logits[i] - max);
    for (int i = 0; i < p.length; i++) p[i] /= sum;
    return p;
  }
}
