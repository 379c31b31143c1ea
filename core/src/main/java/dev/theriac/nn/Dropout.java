package dev.theriac.nn;

import dev.theriac.op.Elementwise;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/**
 * Inverted dropout while training, identity otherwise. Its generator is part of the run's state.
 */
public final class Dropout extends Module implements Stochastic {
  private final double probability;
  private final Rng rng;

  public Dropout(double probability, Rng rng) {
    this.probability = probability;
    this.rng = rng;
  }

  public Tensor forward(Tensor x) {
    return isTraining() ? Elementwise.dropout(x, probability, rng) : x;
  }

  @Override
  public long position() {
    return rng.position();
  }

  @Override
  public void seek(long position) {
    rng.seek(position);
  }
}
