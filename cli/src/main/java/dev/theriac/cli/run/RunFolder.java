package dev.theriac.cli.run;

import dev.theriac.io.AtomicFile;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToLongFunction;
import java.util.stream.Stream;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The folder that a run writes to: {@code run.json}, {@code checkpoints}, {@code model}, {@code
 * dense}, {@code metrics.jsonl}, {@code report.html}. An unfinished run in it is gone on with, a
 * finished one replaced; a folder that holds anything else is left alone.
 */
public final class RunFolder {
  private static final JsonMapper JSON = JsonMapper.shared();
  private static final String FORMAT = "theriac-run-1";
  private static final int PROBE_BYTES = 1 << 16;
  private static final List<String> OWN =
      List.of("checkpoints", "model", "dense", "metrics.jsonl", "report.html", "run.json");

  private final Path folder;
  private final String config;
  private double secondsBefore;
  private boolean resumed;

  private RunFolder(Path folder, String config) {
    this.folder = folder;
    this.config = config;
  }

  /**
   * Opens the folder, or makes it.
   *
   * @param config the run's configuration as text; an unfinished run of another is not touched
   * @param bytes room that the run will take
   * @throws IllegalArgumentException if the folder cannot be used; names it, reason and remedy
   */
  public static RunFolder open(Path folder, String config, long bytes) {
    return open(folder, config, bytes, RunFolder::usable);
  }

  static RunFolder open(Path folder, String config, long bytes, ToLongFunction<Path> usable) {
    RunFolder run = new RunFolder(folder, config);
    run.look();
    run.probe(bytes, usable);
    if (!run.resumed) {
      run.clear();
      run.save(0, false);
    }
    return run;
  }

  /** Finds out what is there without changing it. */
  private void look() {
    Path mark = folder.resolve("run.json");
    if (Files.exists(folder) && !Files.isDirectory(folder)) {
      throw new IllegalArgumentException(folder + ": is a file; name a folder (--out)");
    }
    if (!Files.exists(mark)) {
      if (Files.isDirectory(folder) && !empty()) {
        throw new IllegalArgumentException(
            folder + ": holds files that are not of a run; name a new or empty folder (--out)");
      }
      return;
    }
    JsonNode state;
    try {
      state = JSON.readTree(Files.readString(mark));
    } catch (IOException | JacksonException e) {
      throw new IllegalArgumentException(
          mark + ": cannot be read; delete the folder or name another (--out)", e);
    }
    if (!FORMAT.equals(state.path("format").asString(""))) {
      throw new IllegalArgumentException(
          mark + ": is not of a run of this version; name another folder (--out)");
    }
    if (state.path("finished").asBoolean(false)) {
      return;
    }
    if (!config.equals(state.path("config").asString(""))) {
      throw new IllegalArgumentException(
          folder
              + ": holds an unfinished run of another configuration or seed; finish it, delete the"
              + " folder, or name another (--out)");
    }
    resumed = true;
    secondsBefore = state.path("seconds").asDouble(0);
  }

  private boolean empty() {
    try (Stream<Path> files = Files.list(folder)) {
      return files.findAny().isEmpty();
    } catch (IOException e) {
      throw new IllegalArgumentException(folder + ": cannot be read (" + e + ")", e);
    }
  }

  /** Writes and removes a file, so that what is wrong shows now and not after hours. */
  private void probe(long bytes, ToLongFunction<Path> usable) {
    Path probe = folder.resolve(".theriac-probe");
    try {
      Files.createDirectories(folder);
      Files.write(probe, new byte[PROBE_BYTES]);
      try (FileChannel channel = FileChannel.open(probe, StandardOpenOption.WRITE)) {
        channel.force(true);
      }
    } catch (IOException e) {
      throw new IllegalArgumentException(
          "%s: cannot be written (%s); name another folder (--out)".formatted(folder, e), e);
    } finally {
      try {
        Files.deleteIfExists(probe);
      } catch (IOException e) {
        // The error that matters was thrown above.
      }
    }
    // What the run has written already is part of its room, as is what it replaces.
    long room = usable.applyAsLong(folder) + written();
    if (room < bytes) {
      throw new IllegalArgumentException(
          "%s: the run needs %,d MiB, the disk has %,d MiB left; make room or name another folder (--out)"
              .formatted(folder, (bytes >> 20) + 1, room >> 20));
    }
  }

  private long written() {
    long bytes = 0;
    for (String name : OWN) {
      Path path = folder.resolve(name);
      if (!Files.exists(path)) continue;
      try (Stream<Path> files = Files.walk(path)) {
        for (Path file : files.filter(Files::isRegularFile).toList()) bytes += Files.size(file);
      } catch (IOException e) {
        throw new IllegalArgumentException(path + ": cannot be read (" + e + ")", e);
      }
    }
    return bytes;
  }

  private static long usable(Path folder) {
    try {
      return Files.getFileStore(folder).getUsableSpace();
    } catch (IOException e) {
      return Long.MAX_VALUE;
    }
  }

  private void clear() {
    for (String name : OWN) {
      Path path = folder.resolve(name);
      if (!Files.exists(path)) continue;
      try (Stream<Path> files = Files.walk(path)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
      } catch (IOException e) {
        throw new IllegalArgumentException(path + ": cannot be removed (" + e + ")", e);
      }
    }
  }

  /**
   * Notes how far the run is.
   *
   * @param seconds spent since {@link #open}
   */
  void save(double seconds, boolean finished) {
    var state = JSON.createObjectNode();
    state.put("format", FORMAT).put("finished", finished);
    state.put("seconds", secondsBefore + seconds).put("config", config);
    AtomicFile.write(file("run.json"), state.toPrettyString() + "\n");
  }

  /** Whether an unfinished run is gone on with. */
  public boolean resumed() {
    return resumed;
  }

  /** Time spent on the run before this start. */
  double secondsBefore() {
    return secondsBefore;
  }

  /** A file or folder of the run. */
  public Path file(String name) {
    return folder.resolve(name);
  }

  Path checkpoints(String stage) {
    return folder.resolve("checkpoints").resolve(stage);
  }

  @Override
  public String toString() {
    return folder.toString();
  }
}
