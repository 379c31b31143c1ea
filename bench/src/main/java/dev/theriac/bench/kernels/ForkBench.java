package dev.theriac.bench.kernels;

import dev.theriac.bench.frame.Bench;
import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.bench.frame.BenchReport;
import dev.theriac.bench.frame.Finding;
import dev.theriac.bench.frame.PeerProcess;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * From which size on two threads are faster than one, where everything is cut into tasks of a
 * microsecond: the measurement behind the sizes at which operations begin to use threads.
 */
public final class ForkBench implements Bench {
  /** Less of one thread's time than this counts as faster. */
  private static final double FASTER = 0.9;

  private static final double WARM_SECONDS = 0.15;
  private static final double SECONDS = 0.03;

  @Override
  public String name() {
    return "forks";
  }

  @Override
  public String description() {
    return "from how much work on a second thread pays, awake and parked";
  }

  @Override
  public List<String> shapes() {
    return ForkEngine.OPERATIONS;
  }

  @Override
  public BenchReport run(BenchOptions options) throws IOException {
    BenchReport report = new BenchReport(this, options);
    try (PeerProcess one = PeerProcess.with("-Dtheriac.task.nanos=1000", name(), "theriac", 1);
        PeerProcess two = PeerProcess.with("-Dtheriac.task.nanos=1000", name(), "theriac", 2)) {
      for (String operation : chosen(options, shapes())) {
        options.note().accept(operation);
        for (String when : List.of("", "+"))
          report.add(finding(options, one, two, operation, when));
      }
    }
    return report;
  }

  private static Finding finding(
      BenchOptions options, PeerProcess one, PeerProcess two, String operation, String when)
      throws IOException {
    double from = Double.NaN;
    String shape = "none of these";
    List<String> text = new ArrayList<>();
    int[] sizes = ForkEngine.rows(operation);
    for (int rows : sizes) {
      String stage = operation + "@" + rows + when;
      double alone = time(options, one, stage);
      double both = time(options, two, stage);
      if (both > FASTER * alone) from = Double.NaN;
      else if (Double.isNaN(from)) {
        from = alone;
        shape = rows + " rows";
      }
      text.add(String.format(Locale.ROOT, "%.1f/%.1f", alone, both));
    }
    String title = operation + (when.isEmpty() ? ", threads awake" : ", threads parked");
    return new Finding(
        title,
        shape,
        2,
        from,
        null,
        "microseconds of work from which two threads pay; one/two at %d to %d rows: %s"
            .formatted(sizes[0], sizes[sizes.length - 1], String.join(" ", text)));
  }

  private static double time(BenchOptions options, PeerProcess peer, String stage)
      throws IOException {
    peer.run(stage, WARM_SECONDS);
    int rounds = options.rounds() > 0 ? options.rounds() : 3;
    double best = Double.POSITIVE_INFINITY;
    for (int i = 0; i < rounds; i++) best = Math.min(best, peer.run(stage, SECONDS).median());
    return stage.endsWith("+") ? best - ForkEngine.PAUSE_NANOS / 1e3 : best;
  }
}
