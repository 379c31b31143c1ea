package dev.theriac.op;

import dev.theriac.backend.GroupedKernels.Rows;
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
              Rows.of(g.strided()),
              o.weight().strided(),
              o.offsets().strided(),
              false,
              dx.strided());
          sink.add(o.x(), dx);
        }
        if (sink.wants(o.weight())) {
          Tensor dw = like(o.weight());
          kernels.groupedWeightGradient(
              Rows.of(g.strided()),
              Rows.of(o.x().strided()),
              o.offsets().strided(),
              false,
              dw.strided());
          sink.add(o.weight(), dw);
        }
        if (o.bias() != null && sink.wants(o.bias())) {
          Tensor db = like(o.bias());
          kernels.groupedBiasGradient(
              Rows.of(g.strided()), null, o.offsets().strided(), false, db.strided());
          sink.add(o.bias(), db);
        }
      }
      case GroupedOp.FeedForward o -> o.pass().backward(o.zGate(), o.zUp(), grad, sink);
    }
  }

  private static Tensor like(Tensor t) {
    return Tensor.empty(t.device(), "groupedLinear gradient", DType.F32, t.shape());
  }
}
