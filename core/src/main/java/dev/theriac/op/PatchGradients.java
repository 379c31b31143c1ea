package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;

/** Gradient of unfolding: folding back, since patches do not overlap. */
final class PatchGradients {
  private PatchGradients() {}

  static void apply(PatchOp op, Tensor grad, GradientSink sink) {
    switch (op) {
      case PatchOp.Unfold o -> {
        Tensor dx = Tensor.empty(grad.device(), "unfold gradient", DType.F32, o.image().shape());
        Check.backend("unfold", grad)
            .patch()
            .fold(grad.contiguous().strided(), o.patch(), dx.strided());
        sink.add(o.image(), dx);
      }
    }
  }
}
