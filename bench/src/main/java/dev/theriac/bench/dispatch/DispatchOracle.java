package dev.theriac.bench.dispatch;

import dev.theriac.bench.dispatch.DispatchProblem.Values;
import java.util.Arrays;
import java.util.Map;

/**
 * Float64 sums for samples of a layer's output and gradients: whole tokens for the output and dx,
 * slots for the routing weights, single entries of the matrices' gradients.
 */
public final class DispatchOracle {
  private final DispatchProblem problem;
  private final MoeShape shape;
  private final long[] ids;
  private final Values x;
  private final Values g;
  private final Map<String, Values> in;

  /** For results of that problem. */
  public DispatchOracle(DispatchProblem problem) {
    this.problem = problem;
    shape = problem.shape();
    ids = problem.ids();
    in = problem.inputs();
    x = in.get("x");
    g = in.get("g");
  }

  /** Entries of an engine's last results, see {@link dev.theriac.bench.frame.Engine#values}. */
  public interface Results {
    /** Entries of a result, by its name, in row-major order. */
    double[] values(String tensor, long[] indices);
  }

  /** Output and gradients of one token. */
  private record Token(double[] y, double[] dx, double[] dweights) {}

  /**
   * Largest error of an engine's last results, relative to the largest value of the tensor among
   * the samples.
   *
   * @param gradients whether forward+backward ran, or forward alone
   */
  public double error(Results peer, boolean gradients) {
    int d = shape.dim();
    double worst = 0;
    long[] tokens = shape.tokens() == 1 ? new long[] {0} : new long[] {0, shape.tokens() - 1};
    for (long t : tokens) {
      Token exact = token(t);
      long[] row = range(t * d, d);
      worst = Math.max(worst, off(exact.y, peer.values("out", row)));
      if (gradients) {
        worst = Math.max(worst, off(exact.dx, peer.values("dx", row)));
        long[] slots = range(t * shape.choices(), shape.choices());
        double[] got = peer.values("dweights", slots);
        // A sum of d products of outputs and gradients.
        double size = norm(exact.y) * Math.sqrt(d);
        for (int j = 0; j < got.length; j++) {
          worst = Math.max(worst, Math.abs(got[j] - exact.dweights[j]) / size);
        }
      }
    }
    if (gradients) {
      for (int e : new int[] {0, shape.groups() - 1}) {
        worst = Math.max(worst, matrix(peer, e, shape.hidden() / 3, d / 2));
      }
    }
    return Double.isNaN(worst) ? Double.POSITIVE_INFINITY : worst;
  }

  private static long[] range(long from, int count) {
    long[] range = new long[count];
    Arrays.setAll(range, i -> from + i);
    return range;
  }

  private static double norm(double[] v) {
    return Math.sqrt(Arrays.stream(v).map(a -> a * a).sum());
  }

  private static double off(double[] exact, double[] got) {
    double most = 0;
    double largest = Double.MIN_NORMAL;
    for (int i = 0; i < exact.length; i++) {
      double difference = Math.abs(exact[i] - got[i]);
      if (!(difference <= most)) most = difference; // NaN counts as worst
      largest = Math.max(largest, Math.abs(exact[i]));
    }
    return most / largest;
  }

  private Token token(long t) {
    int d = shape.dim();
    int n = shape.hidden();
    double[] y = new double[d];
    double[] dx = new double[d];
    double[] dweights = new double[shape.choices()];
    for (int j = 0; j < shape.choices(); j++) {
      long slot = t * shape.choices() + j;
      long e = ids[(int) slot];
      double s = problem.weight(slot);
      double[] zg = new double[n];
      double[] zu = new double[n];
      double[] a = new double[n];
      for (int i = 0; i < n; i++) {
        zg[i] = pre("gate", e, i, t);
        zu[i] = shape.gated() ? pre("up", e, i, t) : 1;
        a[i] = act(zg[i]) * zu[i];
      }
      double[] u = new double[n];
      Values down = in.get("down");
      for (int c = 0; c < d; c++) {
        long at = (e * d + c) * n;
        double sum = shape.gated() ? 0 : in.get("down_bias").at(e * d + c);
        double grad = g.at(t * d + c);
        for (int i = 0; i < n; i++) {
          double w = down.at(at + i);
          sum += w * a[i];
          u[i] += w * grad;
        }
        y[c] += s * sum;
        dweights[j] += grad * sum;
      }
      for (int i = 0; i < n; i++) {
        addGradient(dx, "gate", e, i, s * u[i] * zu[i] * slope(zg[i]));
        if (shape.gated()) addGradient(dx, "up", e, i, s * u[i] * act(zg[i]));
      }
    }
    return new Token(y, dx, dweights);
  }

  private void addGradient(double[] dx, String matrix, long e, int i, double dz) {
    Values w = in.get(matrix);
    long at = (e * shape.hidden() + i) * shape.dim();
    for (int c = 0; c < dx.length; c++) dx[c] += dz * w.at(at + c);
  }

  private double pre(String matrix, long e, int i, long t) {
    int d = shape.dim();
    Values w = in.get(matrix);
    long at = (e * shape.hidden() + i) * d;
    double sum = shape.gated() ? 0 : in.get("gate_bias").at(e * shape.hidden() + i);
    for (int c = 0; c < d; c++) sum += (double) w.at(at + c) * x.at(t * d + c);
    return sum;
  }

  /** One entry of the gradient of each matrix of an expert, relative to its sum of sizes. */
  private double matrix(Results peer, int e, int i, int c) {
    int d = shape.dim();
    int n = shape.hidden();
    double[] exact = new double[3];
    double[] size = {Double.MIN_NORMAL, Double.MIN_NORMAL, Double.MIN_NORMAL};
    for (int slot = 0; slot < ids.length; slot++) {
      if (ids[slot] != e) continue;
      long t = slot / shape.choices();
      double s = problem.weight(slot);
      double zg = pre("gate", e, i, t);
      double zu = shape.gated() ? pre("up", e, i, t) : 1;
      double u = 0;
      for (int b = 0; b < d; b++) {
        u += (double) in.get("down").at(((long) e * d + b) * n + i) * g.at(t * d + b);
      }
      double[] terms = {
        s * u * zu * slope(zg) * x.at(t * d + c),
        s * u * act(zg) * x.at(t * d + c),
        s * g.at(t * d + c) * act(zg) * zu
      };
      for (int m = 0; m < 3; m++) {
        exact[m] += terms[m];
        size[m] += Math.abs(terms[m]);
      }
    }
    long first = ((long) e * n + i) * d + c;
    double worst = Math.abs(peer.values("dgate", new long[] {first})[0] - exact[0]) / size[0];
    if (shape.gated()) {
      double up = peer.values("dup", new long[] {first})[0];
      worst = Math.max(worst, Math.abs(up - exact[1]) / size[1]);
    }
    double down = peer.values("ddown", new long[] {((long) e * d + c) * n + i})[0];
    return Math.max(worst, Math.abs(down - exact[2]) / size[2]);
  }

  private double act(double z) {
    return shape.gated() ? z / (1 + Math.exp(-z)) : 0.5 * z * (1 + Math.tanh(inner(z)));
  }

  private double slope(double z) {
    if (shape.gated()) {
      double sigmoid = 1 / (1 + Math.exp(-z));
      return sigmoid * (1 + z * (1 - sigmoid));
    }
    double tanh = Math.tanh(inner(z));
    double rise = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * z * z);
    return 0.5 * (1 + tanh) + 0.5 * z * (1 - tanh * tanh) * rise;
  }

  private static double inner(double z) {
    return Math.sqrt(2 / Math.PI) * (z + 0.044715 * z * z * z);
  }
}
