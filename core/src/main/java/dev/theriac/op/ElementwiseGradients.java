package dev.theriac.op;

import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.CompareKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;

/** Gradients of the elementwise operations. */
final class ElementwiseGradients {
  private ElementwiseGradients() {}

  static void apply(ElementwiseOp op, Tensor out, Tensor grad, GradientSink sink) {
    switch (op) {
      case ElementwiseOp.Unary o -> {
        Tensor dx = Tensor.empty(o.x().device(), o.name() + " gradient", DType.F32, o.x().shape());
        Elementwise.kernels(o.name(), o.x())
            .unaryGradient(
                o.kind(),
                o.x().contiguous().strided(),
                out.strided(),
                grad.contiguous().strided(),
                dx.strided());
        sink.add(o.x(), dx);
      }
      case ElementwiseOp.Binary o -> binary(o, grad, sink);
      case ElementwiseOp.Affine o -> sink.add(o.x(), grad.mul(o.mul()));
      case ElementwiseOp.Where o -> {
        Tensor zero = Tensor.zeros(grad.device());
        if (sink.wants(o.a())) {
          sink.add(o.a(), Reduce.sumTo(Elementwise.where(o.condition(), grad, zero), o.a()));
        }
        if (sink.wants(o.b())) {
          sink.add(o.b(), Reduce.sumTo(Elementwise.where(o.condition(), zero, grad), o.b()));
        }
      }
      case ElementwiseOp.Cast o -> sink.add(o.x(), grad);
      case ElementwiseOp.Dropout o -> {
        Tensor dx = Tensor.empty(grad.device(), "dropout gradient", DType.F32, o.x().shape());
        Elementwise.kernels("dropout", grad)
            .dropout(
                grad.contiguous().strided(), o.p(), o.seed(), o.stream(), o.offset(), dx.strided());
        sink.add(o.x(), dx);
      }
    }
  }

  private static void binary(ElementwiseOp.Binary o, Tensor grad, GradientSink sink) {
    Tensor a = o.a();
    Tensor b = o.b();
    boolean da = sink.wants(a);
    boolean db = sink.wants(b);
    switch (o.kind()) {
      case ADD -> {
        if (da) sink.add(a, Reduce.sumTo(grad, a));
        if (db) sink.add(b, Reduce.sumTo(grad, b));
      }
      case SUB -> {
        if (da) sink.add(a, Reduce.sumTo(grad, a));
        if (db) sink.add(b, Reduce.sumTo(grad.mul(-1), b));
      }
      case MUL -> {
        if (da) sink.add(a, Reduce.sumTo(grad.mul(b), a));
        if (db) sink.add(b, Reduce.sumTo(grad.mul(a), b));
      }
      case DIV -> {
        Tensor perA = grad.div(b);
        if (da) sink.add(a, Reduce.sumTo(perA, a));
        if (db) sink.add(b, Reduce.sumTo(perA.mul(a).div(b).mul(-1), b));
      }
      case MAXIMUM -> extreme(o, CompareKind.GT, grad, sink);
      case MINIMUM -> extreme(o, CompareKind.LT, grad, sink);
      case SWIGLU -> swiglu(o, grad, sink);
    }
  }

  /** The winner takes the gradient; on a tie each side takes half. */
  private static void extreme(
      ElementwiseOp.Binary o, CompareKind wins, Tensor grad, GradientSink sink) {
    Tensor half = Elementwise.compare(CompareKind.EQ, o.a(), o.b()).to(DType.F32).mul(0.5);
    Tensor first = Elementwise.compare(wins, o.a(), o.b()).to(DType.F32).add(half);
    if (sink.wants(o.a())) sink.add(o.a(), Reduce.sumTo(grad.mul(first), o.a()));
    if (sink.wants(o.b())) {
      sink.add(o.b(), Reduce.sumTo(grad.mul(first.mul(-1).add(1)), o.b()));
    }
  }

  private static void swiglu(ElementwiseOp.Binary o, Tensor grad, GradientSink sink) {
    long[] shape = grad.shape();
    Tensor gate = o.a().expand(shape).contiguous();
    Tensor up = o.b().expand(shape).contiguous();
    Tensor dGate = Tensor.empty(gate.device(), "swiglu gradient", DType.F32, shape);
    Tensor dUp = Tensor.empty(gate.device(), "swiglu gradient", DType.F32, shape);
    Elementwise.kernels(Check.name(BinaryKind.SWIGLU), gate, up)
        .swigluGradient(
            gate.strided(),
            up.strided(),
            grad.contiguous().strided(),
            dGate.strided(),
            dUp.strided());
    sink.add(o.a(), Reduce.sumTo(dGate, o.a()));
    sink.add(o.b(), Reduce.sumTo(dUp, o.b()));
  }
}
