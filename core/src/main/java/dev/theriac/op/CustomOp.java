package dev.theriac.op;

import dev.theriac.tensor.Tensor;
import java.util.List;

/**
 * A user's own differentiable operation: compute the output, then hand it to {@link
 * Autograd#result(dev.theriac.tensor.Strided, Op)} with an instance that remembers the inputs.
 */
public non-sealed interface CustomOp extends Op {
  /**
   * The gradient of each input, in the order of {@link #inputs()}; null where there is none.
   *
   * @param output what the operation returned
   * @param grad gradient that arrives at it, same shape
   */
  List<Tensor> gradients(Tensor output, Tensor grad);
}
