package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;

/** Gradients of softmax and log-softmax, from their outputs. */
final class SoftmaxGradients {
  private SoftmaxGradients() {}

  static void apply(SoftmaxOp op, Tensor out, Tensor grad, GradientSink sink) {
    Tensor g = grad.contiguous();
    Tensor dx = Tensor.empty("softmax gradient", DType.F32, out.shape());
    var kernels = Check.backend("softmax", out, g).softmax();
    switch (op) {
      case SoftmaxOp.Plain o -> {
        kernels.softmaxGradient(out.strided(), g.strided(), dx.strided());
        sink.add(o.x(), dx);
      }
      case SoftmaxOp.Log o -> {
        kernels.logSoftmaxGradient(out.strided(), g.strided(), dx.strided());
        sink.add(o.x(), dx);
      }
    }
  }
}
