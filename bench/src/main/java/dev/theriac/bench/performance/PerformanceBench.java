package dev.theriac.bench.performance;

import dev.theriac.bench.frame.Bench;
import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.bench.frame.BenchReport;
import dev.theriac.bench.frame.PeerProcess;
import dev.theriac.bench.frame.Rounds;
import dev.theriac.bench.frame.Row;
import dev.theriac.bench.frame.Work.Ceiling;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Every family's cases beside their floors and rivals. */
public final class PerformanceBench implements Bench {
  @Override
  public String name() {
    return "performance";
  }

  @Override
  public String description() {
    return "every operation beside its floor and libtorch: the table of docs/PERFORMANCE.md";
  }

  @Override
  public List<String> shapes() {
    return Families.all().stream().map(Family::name).toList();
  }

  @Override
  public BenchReport run(BenchOptions options) throws IOException {
    BenchReport report = new BenchReport(this, options);
    List<Runnable> rows = new ArrayList<>();
    for (String name : chosen(options, shapes())) {
      Family family = Families.of(name);
      List<Case> cases = family.cases().stream().filter(c -> asked(options, c)).toList();
      if (cases.isEmpty()) continue;
      Comparison comparison = new Comparison(family);
      for (int threads : options.threads()) {
        options.note().accept(name + ", " + threads + " thread(s)");
        run(options, report, family, comparison, cases, threads, rows);
      }
    }
    // Shares are of the highest ceilings of the whole run.
    rows.forEach(Runnable::run);
    if (options.quickstart() != null) options.note().accept("start-up");
    boolean whole = options.only().isEmpty() && options.cases().isEmpty();
    if (whole || options.quickstart() != null) report.add(FirstToken.after(options.quickstart()));
    return report;
  }

  private static boolean asked(BenchOptions options, Case c) {
    return options.cases().isEmpty() || options.cases().stream().anyMatch(c.id()::contains);
  }

  private void run(
      BenchOptions options,
      BenchReport report,
      Family family,
      Comparison comparison,
      List<Case> cases,
      int threads,
      List<Runnable> rows)
      throws IOException {
    Path folder = Files.createTempDirectory("bench");
    try (Rounds rounds = new Rounds(options, threads, 5)) {
      rounds.warmAtLeast(family.warmSeconds());
      rounds.add(new PeerProcess(name(), "theriac", family.name(), threads));
      Set<String> rivals = new LinkedHashSet<>();
      cases.forEach(c -> rivals.addAll(family.rivals(c)));
      for (String rival : rivals) rounds.addRival(name(), rival, family.name());
      if (options.python() != null && options.rivals()) {
        List<String> command = family.script(options.python(), folder, threads);
        if (command != null) rounds.addRival(command);
      }
      PeerProcess ours = rounds.peers().getFirst();
      report.ceiling(
          threads, report.ceiling(threads) == null ? rounds.ceiling() : ours.ceiling(100));
      Map<String, Double> micros = new LinkedHashMap<>();
      for (Case c : cases) {
        for (PeerProcess peer : rounds.peers()) {
          if (!peer.stages().contains(c.id())) continue;
          peer.run(c.id(), 0);
          check(comparison, c, peer, ours);
        }
        rounds.measure(List.of(c.id()), List.of());
        // What was timed: at the first call others may still stand in for compiled kernels.
        for (PeerProcess peer : rounds.timed(c.id())) {
          if (family.changesInputs(c)) {
            peer.restart();
            peer.run(c.id(), 0);
          }
          check(comparison, c, peer, ours);
        }
        micros.put(c.id(), rounds.median(c.id()));
        options.note().accept("  %s: %,.1f us".formatted(c.id(), rounds.median(c.id())));
        rows.add(() -> report.add(row(rounds, family, c, report.ceiling(threads), threads)));
      }
      family.findings(rounds.peers(), micros, threads).forEach(report::add);
    } finally {
      try (var files = Files.walk(folder)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    }
  }

  /** Looks at what the last call gave. */
  private static void check(Comparison comparison, Case c, PeerProcess peer, PeerProcess ours) {
    comparison.check((result, at) -> values(peer, result, at), peer.name(), c, peer == ours);
  }

  private static Row row(Rounds rounds, Family family, Case c, Ceiling ceiling, int threads) {
    Row row = rounds.row(c.id(), family.name(), c.work(), ceiling, List.of());
    double micros = row.medianUs();
    boolean arithmetic = c.floor() == Floor.FMA;
    boolean traffic = c.floor() == Floor.READ || c.floor() == Floor.COPY;
    return row.against(
        c.id(),
        arithmetic ? Double.valueOf(c.work().flops() / micros / 1e3) : null,
        traffic ? Double.valueOf(c.work().bytes() / micros / 1e3) : null,
        c.floor() == Floor.NONE
            ? null
            : Double.valueOf(c.floor().micros(c.work(), ceiling) / micros),
        c.floor() == Floor.NONE ? null : c.floor().text(),
        c.wanted(threads));
  }

  private static double[] values(PeerProcess peer, String result, long[] indices) {
    try {
      return peer.values(result, indices);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
