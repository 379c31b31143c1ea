package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;

/** Gradients of what is computed from chosen columns, from its output. */
final class SelectionGradients {
  private SelectionGradients() {}

  static void apply(SelectionOp op, Tensor out, Tensor grad, GradientSink sink) {
    switch (op) {
      case SelectionOp.SelectedSoftmax o -> {
        Tensor g = grad.contiguous();
        Tensor dx =
            Tensor.empty(
                o.logits().device(), "selectedSoftmax gradient", DType.F32, o.logits().shape());
        Check.backend("selectedSoftmax", out, g)
            .selection()
            .selectedSoftmaxGradient(
                o.logits().strided(),
                o.ids().strided(),
                o.sigmoid(),
                out.strided(),
                g.strided(),
                dx.strided());
        sink.add(o.logits(), dx);
      }
    }
  }
}
