package dev.theriac.optim;

import dev.theriac.backend.Backends;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Autograd;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;

/** Clipping of gradients by their global norm. */
public final class Clip {
  private Clip() {}

  /**
   * The L2 norm over the gradients of all parameters together, summed in float64, parameter by
   * parameter in the given order. NaN or infinite when any gradient is.
   */
  public static double globalNorm(Iterable<Parameter> parameters, Gradients gradients) {
    return Autograd.noGrad(() -> {
      double sum = 0;
      for (Parameter p : parameters) {
        Tensor grad = gradients.get(p.value());
        if (grad == null) continue;
        try (Scope _ = Scope.open()) {
          Tensor g = grad.to(DType.F32).contiguous();
          sum += Backends.of(g.device()).optim().sumOfSquares(g.strided());
        }
      }
      return Math.sqrt(sum);
    });
  }

  /**
   * What to multiply gradients by so that their norm is at most {@code maxNorm}: 1, or maxNorm /
   * (norm + 1e-6) as in PyTorch.
   *
   * @throws IllegalArgumentException when the norm is not finite or the bound is not positive
   */
  public static double scale(double norm, double maxNorm) {
    if (!Double.isFinite(norm) || !(maxNorm > 0)) {
      throw new IllegalArgumentException(
          "clip: gradient norm %s, bound %s; the norm must be finite, the bound positive"
              .formatted(norm, maxNorm));
    }
    return Math.min(1, maxNorm / (norm + 1e-6));
  }
}
