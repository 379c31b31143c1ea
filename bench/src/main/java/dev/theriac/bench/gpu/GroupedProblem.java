package dev.theriac.bench.gpu;

import dev.theriac.backend.GroupedKernels;
import dev.theriac.backend.GroupedKernels.Rows;
import dev.theriac.backend.MatmulKernels;
import dev.theriac.bench.dispatch.DispatchProblem.Values;
import dev.theriac.cuda.Laboratory;
import dev.theriac.cuda.Precision;
import dev.theriac.moe.FixedRouter;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Strided;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiConsumer;

/**
 * Products of groups of rows with a matrix of their own each, as an expert's first layer has them.
 *
 * @param kind which of the three
 * @param tokens that choose experts, uniformly at random
 * @param choices experts of a token
 */
record GroupedProblem(String id, Kind kind, int experts, int tokens, int choices, int n, int k)
    implements LabProblem<GroupedProblem.Held> {
  /** y = x w^T; dx = g w; dw = g^T x. */
  enum Kind {
    FORWARD("grouped"),
    INPUT_GRADIENT("grouped-dx"),
    WEIGHT_GRADIENT("grouped-dw");

    private final String operation;

    Kind(String operation) {
      this.operation = operation;
    }
  }

  private static final long SEED = 31;
  private static final int SAMPLES = 256;
  private static final Values X = new Values(32, 1, 0);
  private static final Values G = new Values(33, 1, 0);
  private static final Values W = new Values(34, 0.05, 0);

  static List<GroupedProblem> all() {
    return List.of(
        new GroupedProblem("mixtral", Kind.FORWARD, 8, 2048, 2, 14336, 4096),
        new GroupedProblem("mixtral-decode", Kind.FORWARD, 8, 8, 2, 14336, 4096),
        new GroupedProblem("med-moe-stablelm", Kind.FORWARD, 4, 1024, 1, 5632, 2048),
        new GroupedProblem("med-moe-phi2", Kind.FORWARD, 4, 1024, 1, 10240, 2560),
        new GroupedProblem("med-moe-stablelm-dx", Kind.INPUT_GRADIENT, 4, 1024, 1, 5632, 2048),
        new GroupedProblem("med-moe-stablelm-dw", Kind.WEIGHT_GRADIENT, 4, 1024, 1, 5632, 2048));
  }

  long rows() {
    return (long) tokens * choices;
  }

  @Override
  public String text() {
    return "E %d, R %d, N %d, K %d".formatted(experts, rows(), n, k);
  }

  @Override
  public Demand demand(int weightBytes) {
    return Demand.of(
        kind.operation,
        Map.of("experts", (long) experts, "rows", rows(), "n", (long) n, "k", (long) k),
        weightBytes);
  }

  @Override
  public GroupedProblem small() {
    return new GroupedProblem(id, kind, experts, Math.min(tokens, 24), choices, 40, 36);
  }

  /** Where each group begins, and the number of rows. */
  long[] offsets() {
    long[] chosen;
    try (Scope _ = Scope.open()) {
      chosen = FixedRouter.uniform(SEED).choose(tokens, experts, choices).toLongs();
    }
    long[] offsets = new long[experts + 1];
    for (long e : chosen) offsets[(int) e + 1]++;
    for (int e = 0; e < experts; e++) offsets[e + 1] += offsets[e];
    return offsets;
  }

  @Override
  public Held arrays(Gpu gpu, boolean halfWeights) {
    return new Held(this, gpu, halfWeights);
  }

  @Override
  public List<LabVersion<Held>> versions() {
    List<LabVersion<Held>> versions = new ArrayList<>();
    for (Precision p : Precision.values()) {
      versions.add(
          new LabVersion<>(
              "one-launch-" + p.name().toLowerCase(Locale.ROOT), p, false, idea(p), grouped(p)));
    }
    if (kind != Kind.WEIGHT_GRADIENT) {
      versions.add(
          new LabVersion<>(
              "one-launch-bf16-weights",
              Precision.BF16,
              true,
              "As one-launch-bf16, with weights that lie in BF16: half of their traffic.",
              grouped(Precision.BF16)));
    }
    for (Precision p : Precision.values()) {
      versions.add(
          new LabVersion<>(
              "loop-" + p.name().toLowerCase(Locale.ROOT),
              p,
              false,
              "The baseline: the dense product of the same tiles for each group, launched by a host"
                  + " that knows the sizes; products in %s.".formatted(p),
              (gpu, held) -> held.loop(Laboratory.ownProducts(gpu.device(), p))));
    }
    return versions;
  }

  private static String idea(Precision p) {
    return switch (p) {
      case F32 ->
          "All groups in one launch, whose blocks look up their rows on the device, on ordinary"
              + " cores.";
      case TF32 -> "The same tiles on tensor cores, operands rounded to 11 bits in shared memory.";
      case BF16 -> "The same tiles on tensor cores, operands rounded to BF16 in shared memory.";
    };
  }

  private static BiConsumer<Gpu, Held> grouped(Precision p) {
    return (gpu, held) -> held.run(gpu.backend(p).grouped());
  }

  @Override
  public LabVersion<Held> cublas(Precision p) {
    return new LabVersion<>(
        "cublas",
        p,
        false,
        "A dense product of cuBLAS for each group, launched by a host that knows the sizes.",
        (gpu, held) -> held.loop(gpu.backend(p).matmul()));
  }

  @Override
  public String torch() {
    StringBuilder words = new StringBuilder(kind.operation + " " + n + " " + k);
    for (long offset : offsets()) words.append(' ').append(offset);
    return words.toString();
  }

  /** Operands and result of a problem on a device. */
  static final class Held implements Arrays {
    private final GroupedProblem p;
    private final long[] bounds;
    private final GpuArray x;
    private final GpuArray g;
    private final GpuArray w;
    private final GpuArray out;
    private final GpuArray offsets;

    private Held(GroupedProblem p, Gpu gpu, boolean halfWeights) {
      this.p = p;
      bounds = p.offsets();
      var device = gpu.device();
      DType type = halfWeights ? DType.BF16 : DType.F32;
      x = p.kind == Kind.INPUT_GRADIENT ? null : GpuArray.of(device, DType.F32, X, p.rows(), p.k);
      g = p.kind == Kind.FORWARD ? null : GpuArray.of(device, DType.F32, G, p.rows(), p.n);
      w = p.kind == Kind.WEIGHT_GRADIENT ? null : GpuArray.of(device, type, W, p.experts, p.n, p.k);
      out =
          switch (p.kind) {
            case FORWARD -> GpuArray.zeros(device, DType.F32, p.rows(), p.n);
            case INPUT_GRADIENT -> GpuArray.zeros(device, DType.F32, p.rows(), p.k);
            case WEIGHT_GRADIENT -> GpuArray.zeros(device, DType.F32, p.experts, p.n, p.k);
          };
      offsets = GpuArray.of(device, bounds);
    }

    void run(GroupedKernels kernels) {
      Strided at = offsets.strided();
      switch (p.kind) {
        case FORWARD -> kernels.grouped(Rows.of(x.strided()), w.strided(), null, at, out.strided());
        case INPUT_GRADIENT ->
            kernels.groupedInputGradient(
                Rows.of(g.strided()), w.strided(), at, false, out.strided());
        case WEIGHT_GRADIENT ->
            kernels.groupedWeightGradient(
                Rows.of(g.strided()), Rows.of(x.strided()), at, false, out.strided());
      }
    }

    /** A dense product for each group. */
    void loop(MatmulKernels kernels) {
      for (int e = 0; e < p.experts; e++) {
        long from = bounds[e];
        long count = bounds[e + 1] - from;
        if (count == 0) continue;
        long matrix = (long) e * p.n * p.k;
        switch (p.kind) {
          case FORWARD ->
              kernels.matmul(
                  part(x, from * p.k, count, p.k, p.k, 1),
                  part(w, matrix, p.k, p.n, 1, p.k),
                  null,
                  part(out, from * p.n, count, p.n, p.n, 1),
                  false);
          case INPUT_GRADIENT ->
              kernels.matmul(
                  part(g, from * p.n, count, p.n, p.n, 1),
                  part(w, matrix, p.n, p.k, p.k, 1),
                  null,
                  part(out, from * p.k, count, p.k, p.k, 1),
                  false);
          case WEIGHT_GRADIENT ->
              kernels.matmul(
                  part(g, from * p.n, p.n, count, 1, p.n),
                  part(x, from * p.k, count, p.k, p.k, 1),
                  null,
                  part(out, matrix, p.n, p.k, p.k, 1),
                  false);
        }
      }
    }

    private static Strided part(GpuArray of, long first, long m, long n, long row, long column) {
      return of.strided().with(Layout.strided(new long[] {m, n}, new long[] {row, column}, first));
    }

    @Override
    public void clear() {
      out.clear();
    }

    @Override
    public double error() {
      long size = out.strided().size();
      long count = Math.min(SAMPLES, size);
      double worst = 0;
      for (long i = 0; i < count; i++) {
        // Spread over all rows and columns: the step is no multiple of a row's length.
        long at = count == 1 ? 0 : i * (size - 1) / (count - 1);
        worst = LabProblem.worse(worst, error(at));
      }
      return worst;
    }

    private double error(long at) {
      double exact = 0;
      double sizes = 0;
      int columns = p.kind == Kind.FORWARD ? p.n : p.k;
      long row = at / columns;
      int column = (int) (at % columns);
      if (p.kind == Kind.WEIGHT_GRADIENT) {
        int e = (int) (row / p.n);
        for (long r = bounds[e]; r < bounds[e + 1]; r++) {
          double term = (double) G.at(r * p.n + row % p.n) * X.at(r * p.k + column);
          exact += term;
          sizes += Math.abs(term);
        }
      } else {
        int e = 0;
        while (row >= bounds[e + 1]) e++;
        long matrix = (long) e * p.n * p.k;
        int depth = p.kind == Kind.FORWARD ? p.k : p.n;
        for (int i = 0; i < depth; i++) {
          double term =
              p.kind == Kind.FORWARD
                  ? (double) X.at(row * p.k + i) * W.at(matrix + (long) column * p.k + i)
                  : (double) G.at(row * p.n + i) * W.at(matrix + (long) i * p.k + column);
          exact += term;
          sizes += Math.abs(term);
        }
      }
      double off = Math.abs(out.read(at, 1)[0] - exact);
      return off == 0 ? 0 : off / sizes;
    }

    @Override
    public void close() {
      for (GpuArray array : new GpuArray[] {x, g, w, out, offsets}) {
        if (array != null) array.close();
      }
    }
  }
}
