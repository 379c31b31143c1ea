package dev.theriac.bench.gemm;

import dev.theriac.bench.frame.Bench;
import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.bench.frame.BenchReport;
import dev.theriac.bench.frame.PeerProcess;
import dev.theriac.bench.frame.Rounds;
import dev.theriac.bench.frame.Work;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** The f32 matrix product beside libtorch's. */
public final class GemmBench implements Bench {
  private static final double TOLERANCE = 1e-5;

  @Override
  public String name() {
    return "gemm";
  }

  @Override
  public String description() {
    return "the f32 matrix product (rows x columns x depth)";
  }

  @Override
  public List<String> shapes() {
    return List.of(
        "256x256x256", "1024x1024x1024", "577x2048x512", "2048x5632x2048", "1x5632x2048");
  }

  @Override
  public BenchReport run(BenchOptions options) throws IOException {
    BenchReport report = new BenchReport(this, options);
    for (String shape : chosen(options, shapes().subList(0, 3))) {
      GemmProblem problem = GemmProblem.parse(shape);
      double m = problem.m();
      double bytes = 4 * (m * problem.k() + (double) problem.k() * problem.n() + m * problem.n());
      Work work = new Work(problem.flops(), bytes);
      for (int threads : options.threads()) {
        try (Rounds rounds = new Rounds(options, threads, 5)) {
          rounds.add(new PeerProcess(name(), "theriac", shape, threads));
          rounds.addRival(name(), "libtorch", shape);
          for (PeerProcess peer : rounds.peers()) check(problem, peer);
          report.ceiling(threads, rounds.ceiling());
          rounds.measure(List.of(GemmStage.STAGE), List.of());
          report.add(rounds.row("gemm", shape, work, report.ceiling(threads), List.of()));
        }
      }
    }
    return report;
  }

  private static void check(GemmProblem problem, PeerProcess peer) throws IOException {
    peer.run(GemmStage.STAGE, 0);
    List<Long> places = new ArrayList<>();
    long size = (long) problem.m() * problem.n();
    for (long i = 0; i < Math.min(size, 200); i++) places.add(i * 2_654_435_761L % size);
    long[] indices = places.stream().mapToLong(Long::longValue).toArray();
    double error = problem.error(indices, peer.values("c", indices));
    if (!(error < TOLERANCE)) {
      throw new IllegalStateException(peer.name() + " is off by " + error + " of its terms");
    }
  }
}
