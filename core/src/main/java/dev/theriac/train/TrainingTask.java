package dev.theriac.train;

import dev.theriac.tensor.Tensor;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * What is learned: gives the loss of each micro-batch, and whatever of its own state a resumed run
 * needs. The trainer calls it from one thread. For a resumed run to equal the uninterrupted one, a
 * loss must depend on the model, on its two arguments and on saved state alone.
 */
public interface TrainingTask {
  /**
   * The loss of one micro-batch, of one element, with its graph. Called inside a scope that frees
   * everything made on the way.
   *
   * @param step optimiser steps done so far; the first step is 0
   * @param microBatch 0 up to the trainer's number of micro-batches
   */
  Tensor loss(long step, int microBatch);

  /** Share of a micro-batch in its step's loss; 1 / microBatches, the plain mean. */
  default double weight(long step, int microBatch, int microBatches) {
    return 1.0 / microBatches;
  }

  /** Tokens (or samples) in the micro-batch of the last {@link #loss}; for reports only. */
  default long tokens() {
    return 0;
  }

  /**
   * Quality on held-out data, higher is better; asked for before each checkpoint, without gradients
   * and in a scope. The checkpoint with the highest score is kept as the best. A task that switches
   * modules to evaluation must switch them back to what they were.
   */
  default OptionalDouble score(long step) {
    return OptionalDouble.empty();
  }

  /**
   * State to store in a checkpoint besides the model, the optimiser and dropout: the position in
   * the data, generators ({@link RngState#save}). Nothing that differs from run to run, such as
   * times.
   */
  default Map<String, String> state() {
    return Map.of();
  }

  /** Takes back what {@link #state} gave. */
  default void restore(Map<String, String> state) {}
}
