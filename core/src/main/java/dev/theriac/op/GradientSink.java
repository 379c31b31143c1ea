package dev.theriac.op;

import dev.theriac.tensor.Tensor;

/** Receives what flows back to the inputs of an operation. */
interface GradientSink {
  /** Whether a gradient for this input (which may be null) is worth computing. */
  default boolean wants(Tensor input) {
    return input != null && input.requiresGrad();
  }

  /**
   * The gradient that has arrived at this input so far, when it may be overwritten by its sum with
   * another one (and is then not to be given to {@link #add}); else null.
   */
  default Tensor pending(Tensor input) {
    return null;
  }

  /** Whether the gradient of this input may be written over its values: nobody reads them again. */
  default boolean mayOverwrite(Tensor input) {
    return false;
  }

  /** Adds a gradient of the input's shape. */
  void add(Tensor input, Tensor grad);
}
