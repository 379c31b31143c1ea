package dev.theriac.bench.performance;

/** Entries of attention and of its gradients in float64, from [1, T, H, D] inputs. */
final class AttentionOracle {
  private final double[] q;
  private final double[] k;
  private final double[] v;
  private final Inputs inputs;
  private final boolean causal;
  private final int queries;
  private final int keys;
  private final int heads;
  private final int depth;
  private double[] grad;

  /** By head and query: log-sums of the scores, and means of the probabilities' gradients. */
  private final double[][] logs;

  private final double[][] means;

  AttentionOracle(Inputs inputs, boolean causal) {
    this.inputs = inputs;
    this.causal = causal;
    long[] shape = inputs.input("q").shape();
    queries = (int) shape[1];
    heads = (int) shape[2];
    depth = (int) shape[3];
    keys = (int) inputs.input("k").shape()[1];
    q = read("q");
    k = read("k");
    v = read("v");
    logs = new double[heads][];
    means = new double[heads][];
  }

  private double[] read(String name) {
    double[] values = new double[(int) inputs.input(name).size()];
    for (int i = 0; i < values.length; i++) values[i] = inputs.at(name, i);
    return values;
  }

  private int at(long t, long h) {
    return (int) ((t * heads + h) * depth);
  }

  private static double dot(double[] a, int i, double[] b, int j, int n) {
    double sum = 0;
    for (int d = 0; d < n; d++) sum += a[i + d] * b[j + d];
    return sum;
  }

  private int seen(int t) {
    return causal ? keys - queries + t + 1 : keys;
  }

  private double score(int t, int s, int h) {
    return dot(q, at(t, h), k, at(s, h), depth) / Math.sqrt(depth);
  }

  private double log(int t, int h) {
    double[] scores = new double[seen(t)];
    double max = Double.NEGATIVE_INFINITY;
    for (int s = 0; s < scores.length; s++) {
      scores[s] = score(t, s, h);
      max = Math.max(max, scores[s]);
    }
    double sum = 0;
    for (double score : scores) sum += Math.exp(score - max);
    return max + Math.log(sum);
  }

  double out(long index) {
    int d = (int) (index % depth);
    int h = (int) (index / depth % heads);
    int t = (int) (index / depth / heads);
    double log = log(t, h);
    double sum = 0;
    for (int s = 0; s < seen(t); s++) sum += Math.exp(score(t, s, h) - log) * v[at(s, h) + d];
    return sum;
  }

  /** What all gradients of a head need, for all its queries. */
  private void prepare(int h) {
    if (logs[h] != null) return;
    if (grad == null) grad = read("grad");
    logs[h] = new double[queries];
    means[h] = new double[queries];
    for (int t = 0; t < queries; t++) {
      logs[h][t] = log(t, h);
      for (int s = 0; s < seen(t); s++) {
        double p = Math.exp(score(t, s, h) - logs[h][t]);
        means[h][t] += p * dot(grad, at(t, h), v, at(s, h), depth);
      }
    }
  }

  /** The gradient of a score before the scale. */
  private double gradScore(int t, int s, int h) {
    double p = Math.exp(score(t, s, h) - logs[h][t]);
    return p * (dot(grad, at(t, h), v, at(s, h), depth) - means[h][t]) / Math.sqrt(depth);
  }

  double gradQuery(long index) {
    int d = (int) (index % depth);
    int h = (int) (index / depth % heads);
    int t = (int) (index / depth / heads);
    prepare(h);
    double sum = 0;
    for (int s = 0; s < seen(t); s++) sum += gradScore(t, s, h) * k[at(s, h) + d];
    return sum;
  }

  double gradKey(long index) {
    int d = (int) (index % depth);
    int h = (int) (index / depth % heads);
    int s = (int) (index / depth / heads);
    prepare(h);
    double sum = 0;
    for (int t = 0; t < queries; t++) {
      if (s < seen(t)) sum += gradScore(t, s, h) * q[at(t, h) + d];
    }
    return sum;
  }

  double gradValue(long index) {
    int d = (int) (index % depth);
    int h = (int) (index / depth % heads);
    int s = (int) (index / depth / heads);
    prepare(h);
    double sum = 0;
    for (int t = 0; t < queries; t++) {
      if (s < seen(t)) sum += Math.exp(score(t, s, h) - logs[h][t]) * grad[at(t, h) + d];
    }
    return sum;
  }
}
