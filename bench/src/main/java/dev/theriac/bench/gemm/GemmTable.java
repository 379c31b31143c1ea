package dev.theriac.bench.gemm;

import java.io.IOException;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Prints the matrix product beside libtorch and beside the machine's FMA peak. Every engine and
 * thread count has a JVM of its own; rounds alternate between them so that a busy machine hits all
 * alike, and ratios are taken within a round.
 */
public final class GemmTable {

  private static final PrintStream OUT = System.out;

  private GemmTable() {}

  /**
   * Options, each {@code key=value}: {@code shape} (1024x1024x1024), {@code threads} (1,2), {@code
   * rounds} (7), {@code seconds} a measurement (1), {@code warm} seconds before the first (6),
   * {@code peers} (theriac,libtorch), {@code jvms} (0; otherwise only theriac, in that many fresh
   * JVMs one after the other).
   */
  public static void main(String[] args) throws IOException {
    Map<String, String> options = new LinkedHashMap<>();
    options.put("shape", "1024x1024x1024");
    options.put("threads", "1,2");
    options.put("rounds", "7");
    options.put("seconds", "1");
    options.put("warm", "6");
    options.put("peers", "theriac,libtorch");
    options.put("jvms", "0");
    for (String arg : args) {
      String[] pair = arg.split("=", 2);
      if (pair.length != 2 || options.replace(pair[0], pair[1]) == null) {
        throw new IllegalArgumentException(
            "unknown option " + arg + "; known are " + options.keySet());
      }
    }
    int jvms = Integer.parseInt(options.get("jvms"));
    for (String threads : options.get("threads").split(",")) {
      if (jvms > 0) {
        fresh(options, jvms, Integer.parseInt(threads));
      } else {
        compare(options, Integer.parseInt(threads));
      }
    }
  }

  private static void compare(Map<String, String> options, int threads) throws IOException {
    double seconds = Double.parseDouble(options.get("seconds"));
    double warm = Double.parseDouble(options.get("warm"));
    List<GemmProcess> peers = new ArrayList<>();
    try {
      for (String engine : options.get("peers").split(",")) {
        peers.add(new GemmProcess(engine, options.get("shape"), threads));
      }
      for (GemmProcess peer : peers) {
        peer.run(warm);
      }
      int rounds = Integer.parseInt(options.get("rounds"));
      double[] peak = new double[rounds];
      double[][] rate = new double[peers.size()][rounds];
      double[] fastest = new double[peers.size()];
      for (int round = 0; round < rounds; round++) {
        for (int p = 0; p < peers.size(); p++) {
          double[] answer = peers.get(p).run(seconds);
          rate[p][round] = answer[1];
          fastest[p] = Math.max(fastest[p], answer[2]);
        }
        peak[round] = peers.getFirst().peak(300);
      }
      line("");
      line("%s, f32, %d thread%s", options.get("shape"), threads, threads == 1 ? "" : "s");
      line(
          "%-24s %10s %9s %12s %13s %14s",
          "", "GFLOP/s", "of peak", "fastest call", "of best peak", "largest error");
      double best = Arrays.stream(peak).max().getAsDouble();
      line("%-24s %10.1f %9s %12.1f", "FMA peak", median(peak), "", best);
      for (int p = 0; p < peers.size(); p++) {
        line(
            "%-24s %10.1f %8.1f%% %12.1f %12.1f%% %14.2g",
            peers.get(p).name,
            median(rate[p]),
            100 * median(ratio(rate[p], peak)),
            fastest[p],
            100 * fastest[p] / best,
            peers.get(p).error);
      }
      for (int p = 1; p < peers.size(); p++) {
        double[] ratio = ratio(rate[0], rate[p]);
        line(
            "%s : %s = %.2f (median of %d rounds, %.2f to %.2f)",
            peers.getFirst().name,
            peers.get(p).name,
            median(ratio),
            rounds,
            Arrays.stream(ratio).min().getAsDouble(),
            Arrays.stream(ratio).max().getAsDouble());
      }
    } finally {
      for (GemmProcess peer : peers) {
        peer.close();
      }
    }
  }

  private static void fresh(Map<String, String> options, int jvms, int threads) throws IOException {
    line("");
    line("%s, f32, %d thread(s), fresh JVMs; GFLOP/s", options.get("shape"), threads);
    line("%4s %9s %9s %9s %12s", "JVM", "slowest", "median", "fastest", "bytes/call");
    for (int i = 1; i <= jvms; i++) {
      try (GemmProcess peer = new GemmProcess("theriac", options.get("shape"), threads)) {
        peer.run(Double.parseDouble(options.get("warm")));
        double[] r = peer.run(Double.parseDouble(options.get("seconds")));
        line("%4d %9.1f %9.1f %9.1f %12.0f", i, r[0], r[1], r[2], r[3]);
      }
    }
  }

  private static double[] ratio(double[] x, double[] y) {
    double[] ratio = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      ratio[i] = x[i] / y[i];
    }
    return ratio;
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }

  private static void line(String format, Object... values) {
    OUT.println(String.format(Locale.ROOT, format, values));
  }
}
