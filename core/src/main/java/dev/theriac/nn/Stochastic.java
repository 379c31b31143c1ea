package dev.theriac.nn;

/**
 * A module that draws random numbers while training; its place in them is part of a run's state.
 */
public interface Stochastic {
  /** Position of the generator, for checkpoints and recomputation. */
  long position();

  /** Goes to a position; modules that share a generator go together. */
  void seek(long position);
}
