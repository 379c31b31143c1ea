package dev.theriac.op;

import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Tensor;

/** Gradients of views and concatenation. */
final class ShapeGradients {
  private ShapeGradients() {}

  static void apply(ShapeOp op, Tensor grad, GradientSink sink) {
    switch (op) {
      case ShapeOp.Reshape o -> sink.add(o.x(), grad.reshape(o.x().shape()));
      case ShapeOp.Permute o -> {
        int[] inverse = new int[o.dims().size()];
        for (int i = 0; i < inverse.length; i++) inverse[o.dims().get(i)] = i;
        sink.add(o.x(), grad.permute(inverse));
      }
      case ShapeOp.Slice o -> {
        Tensor dx = Tensor.zeros(grad.device(), o.x().shape());
        Layout part = dx.layout().slice(o.dim(), o.from(), o.to());
        Elementwise.kernels("slice", grad).copy(grad.strided(), dx.strided().with(part));
        sink.add(o.x(), dx);
      }
      case ShapeOp.Expand o -> sink.add(o.x(), Reduce.sumTo(grad, o.x()));
      case ShapeOp.Copy o -> sink.add(o.x(), grad);
      case ShapeOp.Move o -> sink.add(o.x(), grad.to(o.x().device()));
      case ShapeOp.Concat o -> {
        long at = 0;
        for (Tensor part : o.inputs()) {
          long to = at + part.size(o.dim());
          if (sink.wants(part)) sink.add(part, grad.slice(o.dim(), at, to));
          at = to;
        }
      }
    }
  }
}
