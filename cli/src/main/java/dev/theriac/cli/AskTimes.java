package dev.theriac.cli;

import dev.theriac.llm.FeedForward;
import dev.theriac.llm.Generator;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** When the parts of an answer were done. Not thread-safe. */
final class AskTimes implements Generator.PassListener {
  private static final double GIBI = 1L << 30;

  /** The shortest time that is told apart from none: rates stay numbers. */
  private static final double SHORTEST = 1e-6;

  /** What to add to {@link System#nanoTime} for the time since the JVM was started. */
  private static final long BEFORE =
      (System.currentTimeMillis() - ManagementFactory.getRuntimeMXBean().getStartTime()) * 1_000_000
          - System.nanoTime();

  private final double begun = sinceStart();
  private double prompt = Double.NaN;
  private double first = Double.NaN;
  private double last = Double.NaN;
  private int positions;
  private int steps;

  /** Seconds since the JVM was started. */
  static double sinceStart() {
    return (System.nanoTime() + BEFORE) / 1e9;
  }

  @Override
  public List<FeedForward.SideInput> before(Generator.Pass pass) {
    if (Double.isNaN(prompt)) {
      prompt = sinceStart();
      positions = pass.width();
    } else {
      steps++;
    }
    return List.of();
  }

  /** To be called when a token has been chosen, and at the end. */
  void token() {
    last = sinceStart();
    if (Double.isNaN(first)) first = last;
  }

  /** When the first token came, in seconds since the JVM was started. */
  double first() {
    return first;
  }

  /** A line with times and rates. */
  String text() {
    String text =
        String.format(
            Locale.ROOT,
            "picture %.2f s; prompt of %d positions %.2f s, %.1f a second",
            prompt - begun,
            positions,
            first - prompt,
            rate(positions, first - prompt));
    if (steps > 0) {
      text +=
          String.format(
              Locale.ROOT,
              "; %d more tokens %.2f s, %.2f a second",
              steps,
              last - first,
              rate(steps, last - first));
    }
    double resident = residentPeak();
    return Double.isNaN(resident)
        ? text
        : text + String.format(Locale.ROOT, "; at most %.2f GiB resident", resident / GIBI);
  }

  static double rate(int count, double seconds) {
    return count / Math.max(seconds, SHORTEST);
  }

  /** The system's own count; Linux alone tells it. */
  private static double residentPeak() {
    try (var lines = Files.lines(Path.of("/proc/self/status"))) {
      return lines
          .filter(line -> line.startsWith("VmHWM:"))
          .mapToDouble(line -> Double.parseDouble(line.replaceAll("\\D", "")) * 1024)
          .findFirst()
          .orElse(Double.NaN);
    } catch (IOException e) {
      return Double.NaN;
    }
  }
}
