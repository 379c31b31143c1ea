package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;

/** Gradients of grouped products; groups that saw no row get zeros. */
final class GroupedGradients {
  private GroupedGradients() {}

  static void apply(GroupedOp op, Tensor grad, GradientSink sink) {
    switch (op) {
      case GroupedOp.Linear o -> {
        Tensor g = grad.contiguous();
        var kernels = Check.backend("groupedLinear", g, o.weight()).grouped();
        if (sink.wants(o.x())) {
          Tensor dx = like(o.x());
          kernels.groupedInputGradient(
              g.strided(), o.weight().strided(), o.offsets().strided(), dx.strided());
          sink.add(o.x(), dx);
        }
        if (sink.wants(o.weight()) || sink.wants(o.bias())) {
          Tensor dw = like(o.weight());
          Tensor db = o.bias() == null ? null : like(o.bias());
          kernels.groupedWeightGradient(
              g.strided(),
              o.x().strided(),
              o.offsets().strided(),
              dw.strided(),
              db == null ? null : db.strided());
          sink.add(o.weight(), dw);
          if (db != null) sink.add(o.bias(), db);
        }
      }
    }
  }

  private static Tensor like(Tensor t) {
    return Tensor.empty("groupedLinear gradient", DType.F32, t.shape());
  }
}
