package dev.theriac.cli.result;

import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JacksonException;

/**
 * {@code metrics.jsonl}: one {@link StepMetrics} per line, written as training goes.
 *
 * <p>A killed run may leave half a line at the end, and a resumed run does some steps again: {@link
 * #append} cuts the half line off, and {@link #read} gives the last record of every step.
 *
 * <p>For one thread.
 */
public final class MetricsLog implements AutoCloseable {
  private final Path file;
  private final BufferedWriter out;

  private MetricsLog(Path file, BufferedWriter out) {
    this.file = file;
    this.out = out;
  }

  /** Starts an empty log, replacing one of that name. */
  public static MetricsLog create(Path file) {
    return open(file, false);
  }

  /** Goes on with a log, or starts one. */
  public static MetricsLog append(Path file) {
    return open(file, true);
  }

  private static MetricsLog open(Path file, boolean keep) {
    try {
      if (file.toAbsolutePath().getParent() != null) {
        Files.createDirectories(file.toAbsolutePath().getParent());
      }
      if (keep && Files.exists(file)) {
        cutHalfLine(file);
      }
      return new MetricsLog(
          file,
          keep
              ? Files.newBufferedWriter(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND)
              : Files.newBufferedWriter(file));
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": the log of metrics cannot be written", e);
    }
  }

  private static void cutHalfLine(Path file) throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    int end = bytes.length;
    while (end > 0 && bytes[end - 1] != '\n') {
      end--;
    }
    if (end < bytes.length) {
      try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
        channel.truncate(end);
      }
    }
  }

  /** Adds a line; it is with the operating system when this returns. */
  public void add(StepMetrics metrics) {
    try {
      out.write(ResultJson.MAPPER.writeValueAsString(metrics));
      out.write('\n');
      out.flush();
    } catch (IOException e) {
      throw new UncheckedIOException(
          "%s: step %d of %s cannot be logged; is the disk full?"
              .formatted(file, metrics.step(), metrics.stage()),
          e);
    }
  }

  /**
   * The steps of a log in the order in which they were first reached, each as it was last done.
   *
   * @throws IllegalArgumentException for a line that is no such record, unless it is an unfinished
   *     last one; names file and line
   */
  public static List<StepMetrics> read(Path file) {
    String text;
    try {
      text = Files.readString(file, StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": the log of metrics cannot be read", e);
    }
    Map<String, StepMetrics> steps = new LinkedHashMap<>();
    String[] lines = text.split("\n", -1); // the last one is empty, or was never finished
    for (int i = 0; i < lines.length - 1; i++) {
      try {
        StepMetrics step = ResultJson.MAPPER.readValue(lines[i], StepMetrics.class);
        steps.put(step.stage() + '\n' + step.step(), step);
      } catch (JacksonException e) {
        throw new IllegalArgumentException(
            "%s: line %d is no record of metrics: %s"
                .formatted(file, i + 1, e.getOriginalMessage()),
            e);
      }
    }
    return new ArrayList<>(steps.values());
  }

  @Override
  public void close() {
    try {
      out.close();
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": the log of metrics cannot be finished", e);
    }
  }
}
