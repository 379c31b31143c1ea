package dev.theriac.op;

import dev.theriac.tensor.Tensor;

/** Receives what flows back to the inputs of an operation. */
interface GradientSink {
  /** Whether a gradient for this input (which may be null) is worth computing. */
  default boolean wants(Tensor input) {
    return input != null && input.requiresGrad();
  }

  /** Adds a gradient of the input's shape. */
  void add(Tensor input, Tensor grad);
}
