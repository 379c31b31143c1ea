package dev.theriac.bench.dispatch;

import dev.theriac.bench.frame.Bench;
import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.bench.frame.BenchReport;
import dev.theriac.bench.frame.Finding;
import dev.theriac.bench.frame.PeerProcess;
import dev.theriac.bench.frame.Rounds;
import dev.theriac.bench.frame.Work;
import dev.theriac.bench.frame.Work.Ceiling;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/** The mixture-of-experts layer, stage by stage and as a whole, beside libtorch. */
public final class DispatchBench implements Bench {
  private static final double TOLERANCE = 1e-4;
  private static final double HALF_TOLERANCE = 0.05;
  private static final List<String> USUAL = List.of("S", "M", "L", "stablelm");
  private static final List<String> WHOLE = List.of("forward", "forward+backward", "step");
  private static final List<String> NOT_GEMM = List.of("router", "top-k", "index", "combine");
  private static final List<String> BASELINES = List.of("dense", "loop");

  @Override
  public String name() {
    return "dispatch";
  }

  @Override
  public String description() {
    return "the mixture-of-experts layer: router, index, gather, products, combine, backward";
  }

  @Override
  public List<String> shapes() {
    return MoeShape.all().stream().map(MoeShape::id).toList();
  }

  @Override
  public BenchReport run(BenchOptions options) throws IOException {
    BenchReport report = new BenchReport(this, options);
    for (String id : chosen(options, USUAL)) {
      if (id.equals("tiny") && options.only().isEmpty()) continue;
      DispatchProblem problem = new DispatchProblem(MoeShape.of(id), "uniform");
      report.shape(id, problem.shape().text() + "; " + problem.spread());
      boolean all = options.full() || !options.only().isEmpty() || !isHeavy(problem);
      for (int threads : options.threads()) {
        // The short form times the large shapes with all threads alone, to be done in five minutes.
        if (!all && threads < Collections.max(options.threads())) continue;
        options.note().accept(problem.shape().text() + ", " + threads + " thread(s)");
        run(options, report, problem, threads);
      }
    }
    return report;
  }

  /** Whether a single call takes about a second on one thread. */
  private static boolean isHeavy(DispatchProblem problem) {
    return problem.shape().forward(problem.used()).flops() > 4e10;
  }

  private void run(BenchOptions options, BenchReport report, DispatchProblem problem, int threads)
      throws IOException {
    MoeShape shape = problem.shape();
    boolean decode = shape.tokens() <= 512 && !shape.id().equals("tiny");
    boolean heavy = isHeavy(problem) && !options.full();
    List<String> whole = new ArrayList<>(heavy ? WHOLE.subList(0, 2) : WHOLE);
    List<String> parts = new ArrayList<>(heavy ? NOT_GEMM : work(problem).keySet());
    parts.removeAll(WHOLE);
    if (!heavy) {
      parts.addAll(List.of("copy-rows", "gemm1-dense", "gemm2-dense"));
      whole.addAll(List.of("dense", "loop", "forward@round-robin", "forward@zipf-1.0"));
    }
    if (decode) {
      whole.removeIf(s -> s.contains("backward") || s.equals("step"));
      parts.removeIf(s -> s.contains("backward"));
    }
    try (Rounds rounds = new Rounds(options, threads, heavy ? 3 : 5)) {
      rounds.add(new PeerProcess(name(), "theriac", problem.text(), threads));
      rounds.addRival(name(), "libtorch", problem.text());
      if (!heavy) rounds.addRival(name(), "libtorch-bf16", problem.text());
      if (options.python() != null) python(options, rounds, problem, threads);
      for (PeerProcess peer : rounds.peers()) check(peer, problem, decode);
      report.ceiling(threads, rounds.ceiling());
      rounds.measure(whole, parts);
      rows(report, rounds, problem, threads);
      findings(report, rounds, problem, threads, decode);
    }
  }

  /** The rows of the table in their order, and what each needs. */
  private static Map<String, Work> work(DispatchProblem problem) {
    MoeShape shape = problem.shape();
    long used = problem.used();
    Map<String, Work> work = new LinkedHashMap<>();
    work.put("router", shape.router());
    work.put("top-k", shape.topKWork());
    work.put("router+top-k", shape.router());
    work.put("index", shape.index());
    work.put("gather", shape.gather());
    work.put("gemm1+activation", shape.gemm1(used));
    work.put("gemm1", shape.gemm1(used));
    work.put("activation", shape.activation());
    work.put("gemm2", shape.gemm2(used));
    work.put("combine", shape.combine());
    work.put("forward", shape.forward(used));
    work.put("backward-dX", shape.backwardInput(used));
    work.put("backward-dW", shape.backwardWeights());
    work.put("backward-router", shape.router().plus(shape.router()));
    work.put("forward+backward", shape.forwardBackward(used));
    work.put("step", shape.forwardBackward(used).plus(shape.optimiser()));
    return work;
  }

  private static void rows(
      BenchReport report, Rounds rounds, DispatchProblem problem, int threads) {
    Ceiling ceiling = report.ceiling(threads);
    work(problem)
        .forEach((stage, work) -> {
          if (!rounds.has(stage)) return;
          List<String> baselines =
              switch (stage) {
                case "forward" -> BASELINES;
                case "gather", "combine" -> List.of("copy-rows");
                case "gemm1+activation" -> List.of("gemm1-dense");
                case "gemm2" -> List.of("gemm2-dense");
                default -> List.of();
              };
          report.add(rounds.row(stage, problem.shape().id(), work, ceiling, baselines));
        });
  }

  private static void findings(
      BenchReport report, Rounds rounds, DispatchProblem problem, int threads, boolean decode)
      throws IOException {
    MoeShape shape = problem.shape();
    double forward = rounds.median("forward");
    // The fused forward gathers while it packs, so the gather is not a time of its own there.
    double rest = 0;
    for (String stage : NOT_GEMM) {
      rest += rounds.median(stage);
    }
    double whole = forward + rounds.median("router") + rounds.median("top-k");
    report.add(
        new Finding(
            "not a GEMM",
            shape.id(),
            threads,
            rest / whole,
            shape.id().equals("M") ? 0.05 : null,
            "router, top-k, index and combine as a share of the forward pass with its router"));
    if (rounds.has("forward@zipf-1.0")) {
      report.add(
          new Finding(
              "Zipf 1.0 over round robin",
              shape.id(),
              threads,
              rounds.ratio("forward@zipf-1.0", "forward@round-robin"),
              decode ? null : 1.15,
              new DispatchProblem(shape, "zipf-1.0").spread()));
    }
    if (decode) return;
    double saved = shape.savedBytes();
    double peak = rounds.peers().getFirst().peakBytes("forward+backward") + shapeInput(shape);
    report.add(
        new Finding(
            "peak memory of forward+backward",
            shape.id(),
            threads,
            peak / saved,
            1.2,
            String.format(
                Locale.ROOT,
                "%.1f MiB over the %.1f MiB of x, z, routing, output and gradients",
                peak / 1048576,
                saved / 1048576)));
  }

  /** x is there before the call, but belongs to what is saved. */
  private static double shapeInput(MoeShape shape) {
    return 4.0 * shape.tokens() * shape.dim() + 8.0 * shape.rows();
  }

  /** Relative error that is let pass. */
  static double tolerance(String engine) {
    return engine.contains("bf16") ? HALF_TOLERANCE : TOLERANCE;
  }

  private static void check(PeerProcess peer, DispatchProblem problem, boolean forwardOnly)
      throws IOException {
    DispatchOracle oracle = new DispatchOracle(problem);
    for (String stage : forwardOnly ? WHOLE.subList(0, 1) : WHOLE.subList(0, 2)) {
      peer.run(stage, 0);
      double error =
          oracle.error(
              (tensor, indices) -> {
                try {
                  return peer.values(tensor, indices);
                } catch (IOException e) {
                  throw new UncheckedIOException(e);
                }
              },
              stage.equals("forward+backward"));
      if (!(error < tolerance(peer.name()))) {
        throw new IllegalStateException(
            "%s, %s of %s: off by %.2g".formatted(peer.name(), stage, problem.text(), error));
      }
    }
  }

  /** The loop and the grouped product of another PyTorch, in a Python of the caller's. */
  private static void python(
      BenchOptions options, Rounds rounds, DispatchProblem problem, int threads)
      throws IOException {
    Path folder = Files.createTempDirectory("bench");
    try {
      for (String script : List.of("moe_peer.py", "moe_ffn.py")) {
        try (var in = DispatchBench.class.getResourceAsStream(script)) {
          if (in == null) throw new IOException(script + " is missing from the benchmarks' jar");
          Files.copy(in, folder.resolve(script), StandardCopyOption.REPLACE_EXISTING);
        }
      }
      Path routing = folder.resolve("routing.txt");
      StringBuilder text = new StringBuilder();
      for (long id : problem.ids()) text.append(id).append('\n');
      Files.writeString(routing, text);
      MoeShape s = problem.shape();
      for (String variant : List.of("loop", "grouped")) {
        try {
          rounds.add(
              new PeerProcess(
                  Stream.of(
                          options.python(),
                          folder.resolve("moe_peer.py"),
                          variant,
                          routing,
                          threads,
                          s.tokens(),
                          s.dim(),
                          s.hidden(),
                          s.groups(),
                          s.choices(),
                          s.gated() ? "silu" : "gelu",
                          s.meta() ? "meta" : "none")
                      .map(Object::toString)
                      .toList(),
                  threads));
        } catch (IllegalStateException e) {
          options.note().accept("Python, " + variant + ", is left out: " + e.getMessage());
        }
      }
    } finally {
      // Both processes have read everything by now.
      try (var files = Files.list(folder)) {
        for (Path file : files.toList()) Files.delete(file);
      }
      Files.delete(folder);
    }
  }
}
