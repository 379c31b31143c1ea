package dev.theriac.cli.progress;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.function.LongSupplier;

/** Plain lines at intervals, for logs and pipes. */
final class LineProgress implements Progress {
  private final PrintWriter out;
  private final Duration interval;
  private final LongSupplier nanos;

  private String task;
  private long steps;
  private long started;
  private long printed;
  private long first;
  private long lastStep;
  private long lastPrintedStep;
  private String lastFigures = "";

  LineProgress(PrintWriter out, Duration interval, LongSupplier nanos) {
    this.out = out;
    this.interval = interval;
    this.nanos = nanos;
  }

  @Override
  public void start(String task, long done, long steps) {
    close();
    this.task = task;
    this.steps = steps;
    started = nanos.getAsLong();
    printed = started;
    first = done;
    lastStep = done;
    lastPrintedStep = done;
    lastFigures = "";
    print("%s: %,d steps".formatted(task, steps));
  }

  @Override
  public void step(long step, double loss, double tokensPerSecond) {
    lastStep = step;
    lastFigures = Figures.lossAndSpeed(loss, tokensPerSecond);
    if (nanos.getAsLong() - printed >= interval.toNanos()) {
      report();
    }
  }

  private void report() {
    printed = nanos.getAsLong();
    lastPrintedStep = lastStep;
    Duration elapsed = Duration.ofNanos(printed - started);
    StringBuilder line = new StringBuilder();
    line.append("%s: %,d/%,d".formatted(task, lastStep, steps));
    if (steps > 0) {
      line.append(" (%d %%)".formatted(100 * lastStep / steps));
    }
    if (!lastFigures.isEmpty()) {
      line.append(", ").append(lastFigures);
    }
    line.append(", ").append(Figures.time(elapsed)).append(" passed");
    if (lastStep > first && lastStep < steps) {
      Duration left = elapsed.multipliedBy(steps - lastStep).dividedBy(lastStep - first);
      line.append(", ").append(Figures.time(left)).append(" left");
    }
    print(line.toString());
  }

  @Override
  public void note(String line) {
    print(line);
  }

  private void print(String line) {
    out.println(line);
    out.flush();
  }

  @Override
  public void close() {
    if (task != null && lastStep > lastPrintedStep) {
      report();
    }
    task = null;
  }
}
