package dev.theriac.optim;

/**
 * What an optimiser does with a slice of a stacked parameter ({@link
 * dev.theriac.nn.Parameter#stacked}) whose gradient is exactly zero throughout, as that of an
 * expert that saw no token in a step. Such a slice has a gradient, of stored zeros, so that {@link
 * WithoutGradient} does not speak of it.
 */
public enum Untouched {
  /**
   * The plain rule, as in PyTorch: the gradient is zero like any other. Moments decay, weight decay
   * applies, momentum goes on moving the slice (pytorch#28294), and its steps are counted.
   */
  STEP,
  /** Leaves the slice, its moments and its count of steps alone. */
  SKIP,
  /** Applies the weight decay and leaves moments and count of steps alone. */
  DECAY
}
