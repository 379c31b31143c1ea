package dev.theriac.train;

import java.nio.file.Path;
import java.util.OptionalDouble;

/** Told about the progress of a run, on the trainer's thread. */
public interface TrainingListener {
  /**
   * Before the first step.
   *
   * @param step steps done already: 0, or those of the checkpoint
   * @param steps how many there will be
   * @param from the checkpoint that the run continues from, or null
   */
  default void onStart(long step, long steps, Path from) {}

  default void onStep(StepReport report) {}

  /**
   * A checkpoint is safely on disk.
   *
   * @param best whether it has the highest score so far
   */
  default void onCheckpoint(long step, Path file, OptionalDouble score, boolean best) {}
}
