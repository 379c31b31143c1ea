package dev.theriac.backend.scalar;

import dev.theriac.backend.AttentionKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import java.util.Arrays;

/** Row by row with all scores of a row at hand; float64 throughout. */
final class ScalarAttention implements AttentionKernels {
  private static final long GRAIN = 1 << 13;

  @Override
  public void attention(
      Strided q,
      Strided k,
      Strided v,
      Strided lengths,
      boolean causal,
      float scale,
      Strided out,
      Strided lse) {
    long queries = q.size(1);
    long keys = k.size(1);
    long heads = q.size(2);
    long group = heads / Math.max(1, k.size(2));
    int depth = Math.toIntExact(q.size(3));
    Workers.parallelRange(
        q.size(0) * heads * queries,
        Math.max(1, GRAIN / Math.max(1, keys * depth)),
        (from, to) -> {
          double[] scores = new double[Math.toIntExact(keys)];
          double[] sums = new double[depth];
          for (long row = from; row < to; row++) {
            long b = row / queries / heads;
            long h = row / queries % heads;
            long t = row % queries;
            long visible = visible(lengths, b, t, queries, keys, causal);
            long pq = at(q, b, t, h);
            double max = Double.NEGATIVE_INFINITY;
            for (int s = 0; s < visible; s++) {
              scores[s] = scale * dot(pq, at(k, b, s, h / group), depth);
              max = Math.max(max, scores[s]);
            }
            double total = 0;
            Arrays.fill(sums, 0);
            for (int s = 0; s < visible; s++) {
              double p = max == Double.NEGATIVE_INFINITY ? 0 : StrictMath.exp(scores[s] - max);
              total += p;
              axpy(p, at(v, b, s, h / group), sums, 0, depth);
            }
            boolean nothing = total == 0;
            for (int d = 0; d < depth; d++) {
              Host.setFloat(at(out, b, t, h) + 4L * d, nothing ? 0 : (float) (sums[d] / total));
            }
            double log = nothing ? Double.NEGATIVE_INFINITY : max + StrictMath.log(total);
            Host.setFloat(lse.address() + 4 * row, (float) log);
          }
        });
  }

  @Override
  public void joinAttention(Strided out, Strided lse, Strided other, Strided otherLse) {
    long queries = out.size(1);
    long heads = out.size(2);
    long depth = out.size(3);
    long sums = lse.address();
    long otherSums = otherLse.address();
    Workers.parallelRange(
        out.size(0) * heads,
        Math.max(1, GRAIN / Math.max(1, queries * depth)),
        (from, to) -> {
          for (long row = from; row < to; row++) {
            long b = row / heads;
            long h = row % heads;
            for (long t = 0; t < queries; t++) {
              long sum = sums + 4 * place(lse, b, h, t);
              float one = Host.getFloat(sum);
              float two = Host.getFloat(otherSums + 4 * place(otherLse, b, h, t));
              double max = Math.max(one, two);
              if (max == Double.NEGATIVE_INFINITY) continue;
              double first = StrictMath.exp(one - max);
              double second = StrictMath.exp(two - max);
              Host.setFloat(sum, (float) (max + StrictMath.log(first + second)));
              mix(
                  at(out, b, t, h),
                  (float) (first / (first + second)),
                  at(other, b, t, h),
                  (float) (second / (first + second)),
                  depth);
            }
          }
        });
  }

  private static long place(Strided sums, long b, long h, long t) {
    return b * sums.stride(0) + h * sums.stride(1) + t * sums.stride(2);
  }

  private static void mix(long to, float weight, long other, float otherWeight, long depth) {
    for (long d = 0; d < depth; d++) {
      float x = otherWeight * Host.getFloat(other + 4 * d);
      Host.setFloat(to + 4 * d, Math.fma(weight, Host.getFloat(to + 4 * d), x));
    }
  }

  @Override
  public void attentionGradient(
      Strided q,
      Strided k,
      Strided v,
      Strided lengths,
      boolean causal,
      float scale,
      Strided out,
      Strided lse,
      Strided grad,
      Strided dq,
      Strided dk,
      Strided dv) {
    long queries = q.size(1);
    long keys = k.size(1);
    long heads = q.size(2);
    long groups = k.size(2);
    long group = heads / Math.max(1, groups);
    int depth = Math.toIntExact(q.size(3));
    // A key-value head belongs to one task, which owns its sums and its queries' gradients.
    Workers.parallelRange(
        q.size(0) * groups,
        Math.max(1, GRAIN / Math.max(1, group * queries * keys * depth)),
        (from, to) -> {
          int size = Math.toIntExact(keys * depth);
          double[] sumsK = new double[size];
          double[] sumsV = new double[size];
          double[] sumsQ = new double[depth];
          for (long task = from; task < to; task++) {
            long b = task / groups;
            long g = task % groups;
            Arrays.fill(sumsK, 0);
            Arrays.fill(sumsV, 0);
            for (long h = g * group; h < g * group + group; h++) {
              for (long t = 0; t < queries; t++) {
                long visible = visible(lengths, b, t, queries, keys, causal);
                double log = Host.getFloat(lse.address() + 4 * ((b * heads + h) * queries + t));
                long pq = at(q, b, t, h);
                long pg = at(grad, b, t, h);
                double mean = dot(pg, at(out, b, t, h), depth);
                Arrays.fill(sumsQ, 0);
                for (int s = 0; s < visible && log != Double.NEGATIVE_INFINITY; s++) {
                  long pk = at(k, b, s, g);
                  double p = StrictMath.exp(scale * dot(pq, pk, depth) - log);
                  double ds = p * (dot(pg, at(v, b, s, g), depth) - mean) * scale;
                  axpy(ds, pk, sumsQ, 0, depth);
                  axpy(ds, pq, sumsK, s * depth, depth);
                  axpy(p, pg, sumsV, s * depth, depth);
                }
                store(sumsQ, 0, at(dq, b, t, h), depth);
              }
            }
            for (int s = 0; s < keys; s++) {
              store(sumsK, s * depth, at(dk, b, s, g), depth);
              store(sumsV, s * depth, at(dv, b, s, g), depth);
            }
          }
        });
  }

  /** Number of keys that query t of sequence b sees. */
  private static long visible(
      Strided lengths, long b, long t, long queries, long keys, boolean causal) {
    long n = keys;
    if (lengths != null) n = Math.min(n, Host.getLong(lengths.address() + 8 * b));
    if (causal) n = Math.min(n, keys - queries + t + 1);
    return Math.max(n, 0);
  }

  private static long at(Strided x, long b, long t, long h) {
    return x.address() + 4 * (b * x.stride(0) + t * x.stride(1) + h * x.stride(2));
  }

  private static double dot(long a, long b, int n) {
    double sum = 0;
    for (int d = 0; d < n; d++) {
      sum += (double) Host.getFloat(a + 4L * d) * Host.getFloat(b + 4L * d);
    }
    return sum;
  }

  private static void axpy(double a, long x, double[] y, int at, int n) {
    for (int d = 0; d < n; d++) y[at + d] += a * Host.getFloat(x + 4L * d);
  }

  private static void store(double[] x, int at, long out, int n) {
    for (int d = 0; d < n; d++) Host.setFloat(out + 4L * d, (float) x[at + d]);
  }
}
