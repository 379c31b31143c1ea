package dev.theriac.train;

import java.nio.file.Path;
import java.util.Optional;

/**
 * A run that cannot go on, such as one with a NaN loss; says where and what is left to go on from.
 */
public class TrainingException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final long step;
  private final transient Path lastGood;

  TrainingException(String message, long step, Path lastGood, Throwable cause) {
    super(message, cause);
    this.step = step;
    this.lastGood = lastGood;
  }

  /** Number of the step that failed; the first is 1. */
  public long step() {
    return step;
  }

  /** The newest valid checkpoint, if any was written. */
  public Optional<Path> lastGood() {
    return Optional.ofNullable(lastGood);
  }
}
