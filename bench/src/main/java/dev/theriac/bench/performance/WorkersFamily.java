package dev.theriac.bench.performance;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Workers;
import dev.theriac.bench.frame.Finding;
import dev.theriac.bench.frame.PeerProcess;
import dev.theriac.bench.frame.Row.Wanted;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * One fork and join of the worker pool. The two tasks wait for one another, so that both threads
 * take part in every one: tasks that do nothing would mostly be done by the caller alone.
 */
final class WorkersFamily implements Family {
  private static final int SAMPLES = 200_000;

  @Override
  public String name() {
    return "workers";
  }

  @Override
  public List<Case> cases() {
    return List.of(
        Case.of("fork-join", "2-tasks")
            .wanted(2, new Wanted(null, null, 1.0))
            .input(Input.space("counts", 2))
            .result("counts", 2)
            .tolerance(0, 0));
  }

  @Override
  public List<String> rivals(Case c) {
    return List.of();
  }

  @Override
  public Call ours(Case c, Inputs inputs, Backend backend) {
    Strided counts = inputs.strided("counts");
    ForkJoin forks = new ForkJoin();
    return Call.into(
        () -> {
          forks.run();
          // What is compared: both tasks ran.
          Host.setFloat(counts.address(), forks.arrived(0) ? 1 : 0);
          Host.setFloat(counts.address() + 4, forks.arrived(1) ? 1 : 0);
        },
        counts);
  }

  @Override
  public Expected expected(Case c, Inputs inputs) {
    return (_, _) -> 1;
  }

  @Override
  public List<Finding> findings(List<PeerProcess> peers, Map<String, Double> micros, int threads) {
    if (threads < 2) return List.of();
    int before = Workers.threads();
    Workers.setThreads(threads);
    try {
      double[] sorted = sample();
      double tail = sorted[SAMPLES * 99 / 100];
      String text =
          String.format(
              Locale.ROOT,
              "microseconds; median %.2f, 99.9th percentile %.1f of %,d",
              sorted[SAMPLES / 2],
              sorted[(int) (SAMPLES * 0.999)],
              SAMPLES);
      return List.of(
          new Finding("fork-join, 99th percentile", "2-tasks", threads, tail, null, text));
    } finally {
      Workers.setThreads(before);
    }
  }

  /** Ascending microseconds. */
  private static double[] sample() {
    ForkJoin forks = new ForkJoin();
    double[] micros = new double[SAMPLES];
    for (int i = -SAMPLES; i < SAMPLES; i++) { // the first half warms up
      long start = System.nanoTime();
      forks.run();
      if (i >= 0) micros[i] = (System.nanoTime() - start) / 1e3;
    }
    Arrays.sort(micros);
    return micros;
  }
}
