package dev.theriac.cli.progress;

import java.io.PrintWriter;
import java.time.Duration;

/**
 * Shows how far tasks have come, one task at a time.
 *
 * <p>For one thread.
 */
public interface Progress extends AutoCloseable {
  /** Between plain lines. */
  Duration INTERVAL = Duration.ofSeconds(5);

  /** Begins a task, ending the one before. */
  default void start(String task, long steps) {
    start(task, 0, steps);
  }

  /**
   * Goes on with a task, ending the one before.
   *
   * @param done steps done in an earlier run, which say nothing about this one's speed
   */
  void start(String task, long done, long steps);

  /**
   * Reports a step of the task.
   *
   * @param step steps done so far
   * @param loss of this step, or NaN for a task without one
   * @param tokensPerSecond measured speed, or NaN for a task that does not count tokens
   */
  void step(long step, double loss, double tokensPerSecond);

  /** Prints a line of its own without damage to what is shown. */
  void note(String line);

  /** Ends the task, if there is one. */
  @Override
  void close();

  /**
   * A bar if {@code out} goes to a terminal and {@code quiet} is off, else a plain line every five
   * seconds.
   */
  static Progress console(PrintWriter out, boolean quiet) {
    return !quiet && Terminal.interactive()
        ? new BarProgress(out, Terminal.width())
        : new LineProgress(out, INTERVAL, System::nanoTime);
  }
}
