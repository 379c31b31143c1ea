package dev.theriac.train;

import dev.theriac.io.AtomicFile;
import dev.theriac.io.FileException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The checkpoints of one run in one directory: {@code checkpoint-STEP.safetensors}, of which the
 * last few are kept, and {@code best.safetensors}, the one with the highest score. At any moment,
 * also after a kill or a power cut, the newest whole one is there. For one run at a time.
 */
public final class Checkpoints {
  private static final System.Logger LOG = System.getLogger("dev.theriac.train");
  private static final Pattern NAME = Pattern.compile("checkpoint-(\\d{8,18})\\.safetensors");

  private final Path directory;
  private final int keep;

  /** Of the file that is there; null until it was looked at. */
  private OptionalDouble bestScore;

  /**
   * @param directory made when the first checkpoint is written
   * @param keep how many to keep besides the best, at least 1
   */
  public Checkpoints(Path directory, int keep) {
    if (keep < 1) {
      throw new IllegalArgumentException(
          "checkpoints: keep %d; at least 1 is needed to resume".formatted(keep));
    }
    this.directory = directory;
    this.keep = keep;
  }

  public Path directory() {
    return directory;
  }

  /** A verified checkpoint and its file. */
  public record Found(Path file, Checkpoint checkpoint) {}

  /** The newest checkpoint that is whole; damaged ones are passed over with a warning. */
  public Optional<Found> latest() {
    for (Path file : newestFirst()) {
      try {
        return Optional.of(new Found(file, Checkpoint.read(file)));
      } catch (FileException e) {
        LOG.log(System.Logger.Level.WARNING, "checkpoint passed over: {0}", e.getMessage());
      }
    }
    return Optional.empty();
  }

  /** The checkpoint with the highest score, if any had one and it is whole. */
  public Optional<Found> best() {
    Path file = bestFile();
    if (!Files.exists(file)) return Optional.empty();
    try {
      return Optional.of(new Found(file, Checkpoint.read(file)));
    } catch (FileException e) {
      LOG.log(System.Logger.Level.WARNING, "best checkpoint passed over: {0}", e.getMessage());
      return Optional.empty();
    }
  }

  private Path bestFile() {
    return directory.resolve("best.safetensors");
  }

  private static long step(Path file) {
    Matcher m = NAME.matcher(file.getFileName().toString());
    return m.matches() ? Long.parseLong(m.group(1)) : -1;
  }

  /** Files of checkpoints by falling step. */
  private List<Path> newestFirst() {
    return list()
        .filter(p -> step(p) >= 0)
        .sorted(Comparator.comparingLong(Checkpoints::step).reversed())
        .toList();
  }

  private Stream<Path> list() {
    if (!Files.isDirectory(directory)) return Stream.empty();
    try (Stream<Path> files = Files.list(directory)) {
      return new ArrayList<>(files.toList()).stream();
    } catch (IOException e) {
      throw new FileException(directory, "cannot be listed: " + e.getMessage(), e);
    }
  }

  /**
   * Prepares to go on after {@code step}: removes what a killed process left half-written, and
   * renames damaged checkpoints of later steps to {@code *.damaged}.
   */
  void resumeAt(long step) {
    list().filter(AtomicFile::isTemporary).forEach(Checkpoints::delete);
    for (Path file : newestFirst()) {
      if (step(file) <= step) continue;
      try {
        Files.move(
            file,
            file.resolveSibling(file.getFileName() + ".damaged"),
            StandardCopyOption.REPLACE_EXISTING);
      } catch (IOException e) {
        throw new FileException(file, "is damaged and cannot be renamed: " + e.getMessage(), e);
      }
    }
  }

  /** Writes a checkpoint, then removes those that are no longer among the last few. */
  Path write(Checkpoint checkpoint) {
    Path file = directory.resolve("checkpoint-%08d.safetensors".formatted(checkpoint.step()));
    checkpoint.write(file);
    newestFirst().stream().skip(keep).forEach(Checkpoints::delete);
    return file;
  }

  /**
   * Makes {@code file} the best when its score is higher than that of the best so far; an equal
   * score leaves the earlier one.
   */
  boolean offer(Path file, OptionalDouble score) {
    if (score.isEmpty() || Double.isNaN(score.getAsDouble())) return false;
    if (bestScore == null) {
      bestScore = best().map(found -> found.checkpoint().score()).orElse(OptionalDouble.empty());
    }
    if (bestScore.isPresent() && bestScore.getAsDouble() >= score.getAsDouble()) return false;
    AtomicFile.link(file, bestFile());
    bestScore = score;
    return true;
  }

  private static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new FileException(file, "cannot be removed: " + e.getMessage(), e);
    }
  }
}
