package dev.theriac.cli.progress;

import java.io.PrintWriter;
import java.time.Duration;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarConsumer;
import me.tongfei.progressbar.ProgressBarStyle;

/** A bar on a terminal with loss, speed and time left. */
final class BarProgress implements Progress {
  private static final int REDRAW_MILLIS = 250;

  private final Line line;
  private ProgressBar bar;

  BarProgress(PrintWriter out, int width) {
    this.line = new Line(out, width);
  }

  @Override
  public void start(String task, long done, long steps) {
    close();
    bar =
        new ProgressBarBuilder()
            .setTaskName(task)
            .setInitialMax(steps)
            .startsFrom(done, Duration.ZERO)
            .setStyle(ProgressBarStyle.COLORFUL_UNICODE_BLOCK)
            .setUpdateIntervalMillis(REDRAW_MILLIS)
            .setConsumer(line)
            .build();
  }

  @Override
  public void step(long step, double loss, double tokensPerSecond) {
    bar.setExtraMessage(" " + Figures.lossAndSpeed(loss, tokensPerSecond));
    bar.stepTo(step);
  }

  @Override
  public void note(String text) {
    line.print(text);
    if (bar != null) {
      bar.refresh();
    }
  }

  @Override
  public void close() {
    if (bar != null) {
      bar.close();
      line.close(); // the library ends the line from its own thread, as a rule
      bar = null;
    }
  }

  /** One line that is written over. The library draws from a thread of its own. */
  private static final class Line implements ProgressBarConsumer {
    private static final String ERASE = "\r\u001b[2K";

    private final PrintWriter out;
    private final int width;
    private boolean begun;

    Line(PrintWriter out, int width) {
      this.out = out;
      this.width = width;
    }

    @Override
    public int getMaxRenderedLength() {
      return width - 1;
    }

    @Override
    public synchronized void accept(String text) {
      out.print('\r' + text);
      out.flush();
      begun = true;
    }

    synchronized void print(String text) {
      out.print(ERASE + text + System.lineSeparator());
      out.flush();
    }

    @Override
    public synchronized void clear() {
      out.print(ERASE);
      out.flush();
    }

    @Override
    public synchronized void close() {
      if (begun) {
        out.println();
        out.flush();
        begun = false;
      }
    }
  }
}
