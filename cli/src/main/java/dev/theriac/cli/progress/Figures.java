package dev.theriac.cli.progress;

import java.time.Duration;
import java.util.Locale;

/** Figures as people read them. */
final class Figures {
  private Figures() {}

  /** Loss and speed, as in "loss 1.234, 5,400 tokens/s"; parts that are NaN are left out. */
  static String lossAndSpeed(double loss, double tokensPerSecond) {
    String text = Double.isNaN(loss) ? "" : "loss " + loss(loss);
    if (Double.isNaN(tokensPerSecond)) {
      return text;
    }
    return text
        + (text.isEmpty() ? "" : ", ")
        + String.format(Locale.ROOT, "%,.0f tokens/s", tokensPerSecond);
  }

  private static String loss(double loss) {
    return loss < 0.01 && loss > 0
        ? String.format(Locale.ROOT, "%.1e", loss)
        : String.format(Locale.ROOT, "%.3f", loss);
  }

  /** A time as 0:07, 12:34 or 1:02:03. */
  static String time(Duration duration) {
    long seconds = Math.max(0, duration.toSeconds());
    return seconds < 3600
        ? String.format(Locale.ROOT, "%d:%02d", seconds / 60, seconds % 60)
        : String.format(
            Locale.ROOT, "%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
  }
}
