package dev.theriac.optim;

import dev.theriac.backend.Backends;
import dev.theriac.op.Autograd;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;

/**
 * Accumulates the gradients of several backward passes, in F32 and in the order of the passes.
 *
 * <pre>{@code
 * try (Scope step = Scope.open()) {
 *   Gradients sum = new Gradients();
 *   for (Batch b : microBatches) {
 *     try (Scope pass = Scope.open()) {
 *       GradientSum.add(sum, loss(b).backward(), pass);
 *     }
 *   }
 *   optimizer.step(sum, factor, scale);
 * }
 * }</pre>
 */
public final class GradientSum {
  private GradientSum() {}

  /** Adds {@code more} to {@code sum}; what must outlive {@code pass} is handed out of it. */
  public static void add(Gradients sum, Gradients more, Scope pass) {
    Autograd.noGrad(() -> {
      for (Tensor leaf : more.leaves()) {
        Tensor grad = more.get(leaf).to(DType.F32).contiguous();
        Tensor old = sum.get(leaf);
        if (old == null) {
          sum.put(leaf, pass.keep(grad));
        } else {
          Backends.of(old.device()).elementwise().accumulate(old.strided(), grad.strided());
        }
      }
      return null;
    });
  }
}
