package dev.theriac.cuda;

import dev.theriac.backend.AttentionKernels;
import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Strided;
import java.util.ArrayList;
import java.util.List;

/** Attention of given sizes on random values: by kernels, and by its definition in float64. */
final class AttentionProblem implements AutoCloseable {
  /**
   * Sizes of one call.
   *
   * @param b batch
   * @param t queries
   * @param s keys
   * @param h heads
   * @param g key-value heads
   * @param d depth
   */
  record Size(int b, int t, int s, int h, int g, int d, boolean causal, long... lengths) {
    boolean sees(int batch, int query, int key) {
      return (!causal || key <= s - t + query) && (lengths.length == 0 || key < lengths[batch]);
    }

    @Override
    public String toString() {
      return "[%d, %d/%d, %d/%d, %d]%s%s"
          .formatted(
              b,
              t,
              s,
              h,
              g,
              d,
              causal ? " causal" : "",
              lengths.length == 0 ? "" : " lengths " + java.util.Arrays.toString(lengths));
    }
  }

  /** How the tensors lie in memory. */
  enum View {
    /** One row behind the other. */
    DENSE,
    /** [B, H, T, D]. */
    HEADS_FIRST,
    /** The last position first. */
    BACKWARDS,
    /** Rows of odd length, from an odd element on. */
    ODD
  }

  /** Exact results, and the sums of the magnitudes of their terms. */
  static final class Exact {
    double[] out;
    double[] outSize;
    double[] lse;
    double[][] gradients;
    double[][] gradientSizes;
  }

  final Size size;
  final Strided q;
  final Strided k;
  final Strided v;
  final Strided grad;
  final Strided lengths;
  final float scale;
  private final View view;
  private final List<Strided> all = new ArrayList<>();

  AttentionProblem(Size size, View view, long seed) {
    this.size = size;
    this.view = view;
    Rng rng = new Rng(seed);
    q = random(rng, size.t, size.h);
    k = random(rng, size.s, size.g);
    v = random(rng, size.s, size.g);
    grad = random(rng, size.t, size.h);
    scale = (float) (1 / Math.sqrt(Math.max(1, size.d)));
    if (size.lengths.length == 0) {
      lengths = null;
    } else {
      lengths = make(DType.I64, Layout.contiguous(size.b), size.b);
      for (int i = 0; i < size.b; i++) Host.setLong(lengths.address() + 8L * i, size.lengths[i]);
    }
  }

  private Strided make(DType dtype, Layout layout, long elements) {
    Strided x = new Strided(CpuStorage.allocate(elements * dtype.bytes(), "test"), dtype, layout);
    all.add(x);
    return x;
  }

  /** NaN everywhere. */
  Strided result(int positions, int heads) {
    long row = view == View.ODD ? size.d | 1 : size.d;
    long elements = row * size.b * positions * heads + 1;
    long[] shape = {size.b, positions, heads, size.d};
    long[] strides =
        view == View.HEADS_FIRST
            ? new long[] {row * heads * positions, row, row * positions, 1}
            : new long[] {row * heads * positions, row * heads, row, 1};
    long offset = view == View.ODD ? 1 : 0;
    if (view == View.BACKWARDS && positions > 0) {
      offset = strides[1] * (positions - 1);
      strides[1] = -strides[1];
    }
    Strided x = make(DType.F32, Layout.strided(shape, strides, offset), elements);
    long start = x.address() - 4 * offset;
    for (long i = 0; i < elements; i++) Host.setFloat(start + 4 * i, Float.NaN);
    return x;
  }

  Strided logs() {
    long[] shape = {size.b, size.h, size.t};
    long elements = (long) size.b * size.h * size.t;
    Strided x = make(DType.F32, Layout.contiguous(shape), elements);
    for (long i = 0; i < elements; i++) Host.setFloat(x.address() + 4 * i, Float.NaN);
    return x;
  }

  private Strided random(Rng rng, int positions, int heads) {
    Strided x = result(positions, heads);
    for (int b = 0; b < size.b; b++) {
      for (int t = 0; t < positions; t++) {
        for (int h = 0; h < heads; h++) {
          for (int d = 0; d < size.d; d++) set(x, b, t, h, d, (float) rng.nextGaussian());
        }
      }
    }
    return x;
  }

  private static long at(Strided x, int b, int t, int h, int d) {
    return x.address() + 4 * (b * x.stride(0) + t * x.stride(1) + h * x.stride(2) + d);
  }

  static float get(Strided x, int b, int t, int h, int d) {
    return Host.getFloat(at(x, b, t, h, d));
  }

  static void set(Strided x, int b, int t, int h, int d, float value) {
    Host.setFloat(at(x, b, t, h, d), value);
  }

  /** Elements in the order of the dimensions. */
  static float[] floats(Strided x) {
    if (x.layout().rank() != 4) {
      float[] found = new float[(int) x.size()];
      for (int i = 0; i < found.length; i++) found[i] = Host.getFloat(x.address() + 4L * i);
      return found;
    }
    float[] found = new float[(int) x.size()];
    int i = 0;
    for (int b = 0; b < x.size(0); b++) {
      for (int t = 0; t < x.size(1); t++) {
        for (int h = 0; h < x.size(2); h++) {
          for (int d = 0; d < x.size(3); d++) found[i++] = get(x, b, t, h, d);
        }
      }
    }
    return found;
  }

  /** Output and log-sums by the kernels. */
  float[][] forward(AttentionKernels kernels) {
    Strided out = result(size.t, size.h);
    Strided lse = logs();
    kernels.attention(q, k, v, lengths, size.causal, scale, out, lse);
    return new float[][] {floats(out), floats(lse)};
  }

  /** Output, log-sums and the gradients of q, k and v by the kernels. */
  float[][] both(AttentionKernels kernels) {
    Strided out = result(size.t, size.h);
    Strided lse = logs();
    kernels.attention(q, k, v, lengths, size.causal, scale, out, lse);
    Strided dq = result(size.t, size.h);
    Strided dk = result(size.s, size.g);
    Strided dv = result(size.s, size.g);
    kernels.attentionGradient(q, k, v, lengths, size.causal, scale, out, lse, grad, dq, dk, dv);
    return new float[][] {floats(out), floats(lse), floats(dq), floats(dk), floats(dv)};
  }

  /** Everything by its definition. */
  Exact exact() {
    Exact e = new Exact();
    int rows = size.b * size.t * size.h * size.d;
    int keys = size.b * size.s * size.g * size.d;
    e.out = new double[rows];
    e.outSize = new double[rows];
    e.lse = new double[size.b * size.h * size.t];
    e.gradients = new double[][] {new double[rows], new double[keys], new double[keys]};
    e.gradientSizes = new double[][] {new double[rows], new double[keys], new double[keys]};
    for (int b = 0; b < size.b; b++) {
      for (int h = 0; h < size.h; h++) {
        for (int t = 0; t < size.t; t++) row(e, b, h, t);
      }
    }
    return e;
  }

  private void row(Exact e, int b, int h, int t) {
    int kv = h / (size.h / size.g);
    double[] p = new double[size.s];
    double[] dp = new double[size.s];
    double[] dpSize = new double[size.s];
    double largest = Double.NEGATIVE_INFINITY;
    for (int s = 0; s < size.s; s++) {
      p[s] = Double.NEGATIVE_INFINITY;
      if (!size.sees(b, t, s)) continue;
      double sum = 0;
      for (int d = 0; d < size.d; d++) sum += (double) get(q, b, t, h, d) * get(k, b, s, kv, d);
      p[s] = scale * sum;
      largest = Math.max(largest, p[s]);
      for (int d = 0; d < size.d; d++) {
        double term = (double) get(grad, b, t, h, d) * get(v, b, s, kv, d);
        dp[s] += term;
        dpSize[s] += Math.abs(term);
      }
    }
    double total = 0;
    for (int s = 0; s < size.s; s++) {
      p[s] = largest == Double.NEGATIVE_INFINITY ? 0 : Math.exp(p[s] - largest);
      total += p[s];
    }
    e.lse[(b * size.h + h) * size.t + t] = largest + Math.log(total);
    double mean = 0;
    double meanSize = 0;
    for (int s = 0; s < size.s; s++) {
      if (total > 0) p[s] /= total;
      mean += p[s] * dp[s];
      meanSize += p[s] * dpSize[s];
    }
    int query = ((b * size.t + t) * size.h + h) * size.d;
    for (int s = 0; s < size.s; s++) {
      if (!size.sees(b, t, s)) continue;
      int key = ((b * size.s + s) * size.g + kv) * size.d;
      double ds = p[s] * (dp[s] - mean) * scale;
      double dsSize = p[s] * (dpSize[s] + meanSize) * scale;
      for (int d = 0; d < size.d; d++) {
        double value = get(v, b, s, kv, d);
        double given = get(grad, b, t, h, d);
        e.out[query + d] += p[s] * value;
        e.outSize[query + d] += p[s] * Math.abs(value);
        e.gradients[0][query + d] += ds * get(k, b, s, kv, d);
        e.gradientSizes[0][query + d] += dsSize * Math.abs(get(k, b, s, kv, d));
        e.gradients[1][key + d] += ds * get(q, b, t, h, d);
        e.gradientSizes[1][key + d] += dsSize * Math.abs(get(q, b, t, h, d));
        e.gradients[2][key + d] += p[s] * given;
        e.gradientSizes[2][key + d] += p[s] * Math.abs(given);
      }
    }
  }

  /** Largest |found - exact| / size; infinite where one is no number and the other is. */
  static double error(float[] found, double[] exact, double[] sizes) {
    double worst = 0;
    for (int i = 0; i < found.length; i++) {
      if (found[i] == exact[i]) continue;
      double error = Math.abs(found[i] - exact[i]) / Math.max(sizes[i], Float.MIN_NORMAL);
      if (!(error <= worst)) worst = Double.isNaN(error) ? Double.POSITIVE_INFINITY : error;
    }
    return worst;
  }

  @Override
  public void close() {
    for (Strided x : all) x.storage().free("test");
  }
}
