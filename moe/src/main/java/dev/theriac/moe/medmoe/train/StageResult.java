package dev.theriac.moe.medmoe.train;

import dev.theriac.train.StepReport;
import java.util.List;

/**
 * What a stage did.
 *
 * @param stage which
 * @param steps a report for each step of this run (not of one that it resumed)
 * @param trainable number of values trained
 * @param seconds wall time
 */
public record StageResult(Stage stage, List<StepReport> steps, long trainable, double seconds) {
  public StageResult {
    steps = List.copyOf(steps);
  }

  /** Positions computed, pictures included. */
  public long tokens() {
    return steps.stream().mapToLong(StepReport::tokens).sum();
  }
}
