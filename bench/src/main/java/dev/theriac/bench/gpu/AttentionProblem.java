package dev.theriac.bench.gpu;

import dev.theriac.backend.AttentionKernels;
import dev.theriac.bench.dispatch.DispatchProblem.Values;
import dev.theriac.cuda.Laboratory;
import dev.theriac.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Attention of T queries to S keys.
 *
 * @param kv key-value heads
 * @param depth of a head
 */
record AttentionProblem(
    String id, int batch, int heads, int kv, int queries, int keys, int depth, boolean causal)
    implements LabProblem<AttentionProblem.Held> {
  private static final int SAMPLES = 64;
  private static final Values Q = new Values(21, 1.7, 0);
  private static final Values K = new Values(22, 1.7, 0);
  private static final Values V = new Values(23, 1, 0);

  static List<AttentionProblem> all() {
    return List.of(
        new AttentionProblem("prefill-64", 1, 32, 32, 2048, 2048, 64, true),
        new AttentionProblem("prefill-80", 1, 32, 32, 2048, 2048, 80, true),
        new AttentionProblem("prefill-128", 1, 32, 8, 2048, 2048, 128, true),
        new AttentionProblem("clip-577", 1, 16, 16, 577, 577, 64, false),
        new AttentionProblem("decode-4096", 1, 32, 8, 1, 4096, 128, true));
  }

  @Override
  public String text() {
    return "B %d, H %d, G %d, T %d, S %d, D %d, %s"
        .formatted(batch, heads, kv, queries, keys, depth, causal ? "causal" : "full");
  }

  @Override
  public Demand demand(int weightBytes) {
    Map<String, Long> numbers =
        Map.of(
            "batch",
            (long) batch,
            "heads",
            (long) heads,
            "kv",
            (long) kv,
            "t",
            (long) queries,
            "s",
            (long) keys,
            "d",
            (long) depth,
            "causal",
            causal ? 1L : 0L);
    return Demand.of("attention", numbers, weightBytes);
  }

  @Override
  public AttentionProblem small() {
    int h = kv < heads ? 4 : 2;
    int t = Math.min(queries, 33);
    return new AttentionProblem(id, 1, h, h * kv / heads, t, queries == 1 ? 290 : t, depth, causal);
  }

  @Override
  public Held arrays(Gpu gpu, boolean halfWeights) {
    return new Held(this, gpu);
  }

  @Override
  public List<LabVersion<Held>> versions() {
    List<LabVersion<Held>> versions = new ArrayList<>();
    for (Laboratory.Attention version : Laboratory.attention()) {
      versions.add(
          new LabVersion<>(
              version.name(),
              version.precision(),
              false,
              version.idea(),
              (gpu, held) -> held.run(version.kernels().apply(gpu.device()))));
    }
    return versions;
  }

  @Override
  public String torch() {
    return "attention %d %d %d %d %d %d %d"
        .formatted(batch, heads, kv, queries, keys, depth, causal ? 1 : 0);
  }

  /** q, k, v, out and the log-sums of a problem on a device. */
  static final class Held implements Arrays {
    private final AttentionProblem p;
    private final GpuArray q;
    private final GpuArray k;
    private final GpuArray v;
    private final GpuArray out;
    private final GpuArray lse;

    private Held(AttentionProblem p, Gpu gpu) {
      this.p = p;
      var device = gpu.device();
      q = GpuArray.of(device, DType.F32, Q, p.batch, p.queries, p.heads, p.depth);
      k = GpuArray.of(device, DType.F32, K, p.batch, p.keys, p.kv, p.depth);
      v = GpuArray.of(device, DType.F32, V, p.batch, p.keys, p.kv, p.depth);
      out = GpuArray.zeros(device, DType.F32, p.batch, p.queries, p.heads, p.depth);
      lse = GpuArray.zeros(device, DType.F32, p.batch, p.heads, p.queries);
    }

    void run(AttentionKernels kernels) {
      kernels.attention(
          q.strided(),
          k.strided(),
          v.strided(),
          null,
          p.causal,
          (float) (1 / Math.sqrt(p.depth)),
          out.strided(),
          lse.strided());
    }

    @Override
    public void clear() {
      out.clear();
      lse.clear();
    }

    @Override
    public double error() {
      long rows = (long) p.batch * p.queries * p.heads;
      long count = Math.min(SAMPLES, rows);
      double worst = 0;
      for (long i = 0; i < count; i++) {
        // The first and the last row are among them.
        long row = count == 1 ? 0 : i * (rows - 1) / (count - 1);
        worst = LabProblem.worse(worst, error(row));
      }
      return worst;
    }

    private double error(long row) {
      int h = (int) (row % p.heads);
      long bt = row / p.heads;
      long b = bt / p.queries;
      int t = (int) (bt % p.queries);
      int g = h / (p.heads / p.kv);
      int seen = p.causal ? p.keys - p.queries + t + 1 : p.keys;
      double[] scores = new double[seen];
      double most = Double.NEGATIVE_INFINITY;
      for (int s = 0; s < seen; s++) {
        long key = ((b * p.keys + s) * p.kv + g) * p.depth;
        double sum = 0;
        for (int d = 0; d < p.depth; d++) {
          sum += (double) Q.at(row * p.depth + d) * K.at(key + d);
        }
        scores[s] = sum * (float) (1 / Math.sqrt(p.depth));
        most = Math.max(most, scores[s]);
      }
      double all = 0;
      for (int s = 0; s < seen; s++) all += scores[s] = Math.exp(scores[s] - most);
      float[] got = out.read(row * p.depth, p.depth);
      double worst = 0;
      for (int d = 0; d < p.depth; d++) {
        double exact = 0;
        double size = 0;
        for (int s = 0; s < seen; s++) {
          double term = scores[s] / all * V.at(((b * p.keys + s) * p.kv + g) * p.depth + d);
          exact += term;
          size += Math.abs(term);
        }
        worst = LabProblem.worse(worst, Math.abs(got[d] - exact) / size);
      }
      double logSum = most + Math.log(all);
      float found = lse.read((b * p.heads + h) * p.queries + t, 1)[0];
      return LabProblem.worse(worst, Math.abs(found - logSum) / (1 + Math.abs(logSum)));
    }

    @Override
    public void close() {
      for (GpuArray array : new GpuArray[] {q, k, v, out, lse}) array.close();
    }
  }
}
