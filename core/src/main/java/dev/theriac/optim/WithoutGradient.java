package dev.theriac.optim;

/**
 * What an optimiser does with a parameter that no gradient reached in a step, such as one of a
 * layer that was not run. Experts that saw no token have gradients of zeros: {@link Untouched}.
 */
public enum WithoutGradient {
  /**
   * Leaves the parameter, its moments and its count of steps alone, as PyTorch does for None. So it
   * is with stacked parameters too, whatever {@link Untouched} says: {@link Untouched#DECAY}
   * applies no weight decay where there is no gradient.
   */
  SKIP,
  /**
   * Takes the gradient as zero, as PyTorch does for a gradient of zeros: moments decay, weight
   * decay applies, and momentum goes on moving the parameter. All slices of a stacked parameter are
   * then as {@link Untouched} says of a gradient of zeros.
   */
  DECAY
}
