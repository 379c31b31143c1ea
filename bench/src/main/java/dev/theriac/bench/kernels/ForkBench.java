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
 * From which size on several threads are faster than one, where everything is cut into tasks of a
 * microsecond: the measurement behind the sizes at which operations begin to use threads.
 */
public final class ForkBench implements Bench {
  /** Less of one thread's time than this counts as faster. */
  private static final double FASTER = 0.9;

  private static final double SECONDS = 0.03;
  private static final int MOST_WARM_TURNS = 40;

  @Override
  public String name() {
    return "forks";
  }

  @Override
  public String description() {
    return "from how much work on more than one thread pays, awake and parked";
  }

  @Override
  public List<String> shapes() {
    return ForkEngine.OPERATIONS;
  }

  /**
   * @throws IllegalArgumentException where no thread count is above 1
   */
  @Override
  public BenchReport run(BenchOptions options) throws IOException {
    List<Integer> counts = options.threads().stream().filter(count -> count > 1).toList();
    if (counts.isEmpty()) {
      throw new IllegalArgumentException(
          "forks: compares several threads with one; give a thread count of 2 or more");
    }
    BenchReport report = new BenchReport(this, options);
    List<String> operations = chosen(options, shapes());
    try (PeerProcess one = start(1)) {
      for (int count : counts) {
        try (PeerProcess several = start(count)) {
          for (String operation : operations) {
            options.note().accept(operation + ", " + count + " threads");
            for (boolean parked : new boolean[] {false, true}) {
              report.add(finding(options, one, several, count, operation, parked));
            }
          }
        }
      }
    }
    return report;
  }

  private PeerProcess start(int threads) throws IOException {
    return PeerProcess.with("-Dtheriac.task.nanos=1000", name(), "theriac", threads);
  }

  private static Finding finding(
      BenchOptions options,
      PeerProcess one,
      PeerProcess several,
      int threads,
      String operation,
      boolean parked)
      throws IOException {
    int[] rows = ForkEngine.rows(operation);
    double[] alone = new double[rows.length];
    double[] together = new double[rows.length];
    List<String> text = new ArrayList<>();
    for (int i = 0; i < rows.length; i++) {
      String stage = operation + "@" + rows[i] + (parked ? "+" : "");
      alone[i] = time(options, one, stage);
      together[i] = time(options, several, stage);
      text.add(String.format(Locale.ROOT, "%.1f/%.1f", alone[i], together[i]));
    }
    int from = from(alone, together);
    return new Finding(
        operation + (parked ? ", threads parked" : ", threads awake"),
        from < rows.length ? rows[from] + " rows" : "none of these",
        threads,
        from < rows.length ? alone[from] : Double.NaN,
        null,
        "microseconds of work from which several threads pay; one/several at %d to %d rows: %s"
            .formatted(rows[0], rows[rows.length - 1], String.join(" ", text)));
  }

  /** The first size from which on several threads are faster at every size; else their number. */
  static int from(double[] alone, double[] together) {
    int from = alone.length;
    while (from > 0 && together[from - 1] <= FASTER * alone[from - 1]) from--;
    return from;
  }

  private static double time(BenchOptions options, PeerProcess peer, String stage)
      throws IOException {
    double seconds = options.seconds() > 0 ? options.seconds() : SECONDS;
    double warm = Double.POSITIVE_INFINITY;
    int settled = 0;
    for (int i = 0; i < MOST_WARM_TURNS && settled < 3; i++) {
      double median = peer.run(stage, seconds).median();
      settled = median < 0.95 * warm ? 0 : settled + 1;
      warm = Math.min(warm, median);
    }
    int rounds = options.rounds() > 0 ? options.rounds() : 5;
    double best = Double.POSITIVE_INFINITY;
    for (int i = 0; i < rounds; i++) best = Math.min(best, peer.run(stage, seconds).median());
    return stage.endsWith("+") ? best - ForkEngine.PAUSE_NANOS / 1e3 : best;
  }
}
