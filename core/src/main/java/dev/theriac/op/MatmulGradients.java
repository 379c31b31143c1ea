package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;

/** Gradients of matrix products: dA = dC B^T, dB = A^T dC. */
final class MatmulGradients {
  private MatmulGradients() {}

  static void apply(MatmulOp op, Tensor grad, GradientSink sink) {
    switch (op) {
      case MatmulOp.Product o -> {
        Tensor a = o.a();
        Tensor b = o.b();
        if (sink.wants(a)) {
          sink.add(a, Reduce.sumTo(Matmul.matmul(grad, b.transpose(-1, -2)), a));
        }
        if (sink.wants(b)) {
          sink.add(b, Reduce.sumTo(Matmul.matmul(a.transpose(-1, -2), grad), b));
        }
      }
      case MatmulOp.Linear o -> {
        Tensor g = grad.contiguous();
        if (sink.wants(o.x())) {
          Tensor dx = Tensor.empty(g.device(), "linear gradient", DType.F32, o.x().shape());
          Check.backend("linear", g, o.weight())
              .matmul()
              .matmul(g.strided(), o.weight().strided(), null, dx.strided(), false);
          sink.add(o.x(), dx);
        }
        if (sink.wants(o.weight())) {
          sink.add(o.weight(), Matmul.matmul(g.transpose(0, 1), o.x()));
        }
        if (sink.wants(o.bias())) sink.add(o.bias(), g.sum(0, false));
      }
      case MatmulOp.FeedForward o -> o.pass().backward(o.zGate(), o.zUp(), grad, sink);
    }
  }
}
