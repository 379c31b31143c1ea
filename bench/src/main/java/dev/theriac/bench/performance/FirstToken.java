package dev.theriac.bench.performance;

import dev.theriac.bench.frame.Finding;
import dev.theriac.bench.frame.SourceTree;
import dev.theriac.bench.frame.Stats;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import javax.imageio.ImageIO;

/**
 * How long {@code theriac ask} takes to the first word of its answer, from the launcher's start.
 */
final class FirstToken {
  private static final int TIMES = 5;
  private static final double MOST = 3;

  private FirstToken() {}

  /**
   * @param quickstart a folder that {@code theriac quickstart} has filled, or null: then nothing is
   *     measured
   */
  static Finding after(Path quickstart) throws IOException {
    if (quickstart == null) {
      return finding(
          Double.NaN, "needs --quickstart DIR, a folder that `theriac quickstart` wrote");
    }
    Path image = Files.createTempFile("bench", ".png");
    try {
      ImageIO.write(picture(), "png", image.toFile());
      double[] seconds = new double[TIMES];
      for (int i = 0; i < TIMES; i++) seconds[i] = ask(quickstart.resolve("model"), image);
      Arrays.sort(seconds);
      return finding(
          Stats.median(seconds),
          String.format(
              Locale.ROOT,
              "seconds from the launcher's start to the first output, the median of %d starts; "
                  + "%.2f to %.2f",
              TIMES,
              seconds[0],
              seconds[TIMES - 1]));
    } finally {
      Files.delete(image);
    }
  }

  private static Finding finding(double seconds, String text) {
    int threads = Runtime.getRuntime().availableProcessors();
    return new Finding("start to first token", "quickstart", threads, seconds, MOST, text);
  }

  private static BufferedImage picture() {
    BufferedImage picture = new BufferedImage(32, 32, BufferedImage.TYPE_BYTE_GRAY);
    for (int y = 0; y < 32; y++) {
      for (int x = 0; x < 32; x++) picture.getRaster().setSample(x, y, 0, 4 * (x + y));
    }
    return picture;
  }

  private static double ask(Path model, Path image) throws IOException {
    ProcessBuilder builder =
        new ProcessBuilder(
            SourceTree.folder().resolve("theriac").toString(),
            "ask",
            "--model",
            model.toAbsolutePath().toString(),
            "--image",
            image.toString(),
            "Which imaging modality is this?");
    builder.environment().put("THERIAC_NO_BUILD", "1");
    builder.environment().put("THERIAC_JAVA_HOME", System.getProperty("java.home"));
    Path errors = Files.createTempFile("bench", ".err");
    builder.redirectError(errors.toFile());
    long start = System.nanoTime();
    Process process = builder.start();
    try (InputStream out = process.getInputStream()) {
      int first = out.read();
      double seconds = (System.nanoTime() - start) / 1e9;
      out.transferTo(java.io.OutputStream.nullOutputStream());
      if (first < 0 || process.waitFor() != 0) {
        throw new IllegalStateException("theriac ask failed: " + Files.readString(errors));
      }
      return seconds;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(e);
    } finally {
      process.destroy();
      Files.delete(errors);
    }
  }
}
