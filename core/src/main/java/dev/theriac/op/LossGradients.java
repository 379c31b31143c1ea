package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;

/** Gradients of losses. */
final class LossGradients {
  private LossGradients() {}

  static void apply(LossOp op, Tensor grad, GradientSink sink) {
    switch (op) {
      case LossOp.CrossEntropy o -> {
        Tensor dx =
            sink.mayOverwrite(o.logits())
                ? Tensor.result(o.logits().strided(), null)
                : Tensor.empty(
                    o.logits().device(), "crossEntropy gradient", DType.F32, o.logits().shape());
        Check.backend("crossEntropy", o.logits())
            .loss()
            .crossEntropyGradient(
                o.logits().strided(),
                o.targets().strided(),
                o.ignored(),
                o.lse().strided(),
                grad.item() / Math.max(1, o.counted()),
                dx.strided());
        sink.add(o.logits(), dx);
      }
    }
  }
}
