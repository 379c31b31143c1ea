package dev.theriac.optim;

/**
 * What an optimiser does with a parameter that no gradient reached in a step, such as one of a
 * layer that was not run. Experts that saw no token have gradients of zeros: {@link Untouched}.
 */
public enum WithoutGradient {
  /** Leaves the parameter, its moments and its count of steps alone, as PyTorch does for None. */
  SKIP,
  /**
   * Takes the gradient as zero, as PyTorch does for a gradient of zeros: moments decay, weight
   * decay applies, and momentum goes on moving the parameter.
   */
  DECAY
}
