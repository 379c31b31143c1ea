package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;

/** Gradients of softmax and its logarithm, from their outputs, and of log-sum-exp. */
final class SoftmaxGradients {
  private SoftmaxGradients() {}

  static void apply(SoftmaxOp op, Tensor out, Tensor grad, GradientSink sink) {
    Tensor g = grad.contiguous();
    var kernels = Check.backend("softmax", out, g).softmax();
    switch (op) {
      case SoftmaxOp.Plain o -> {
        Tensor dx = like(out);
        kernels.softmaxGradient(out.strided(), g.strided(), dx.strided());
        sink.add(o.x(), dx);
      }
      case SoftmaxOp.Log o -> {
        Tensor dx = like(out);
        kernels.logSoftmaxGradient(out.strided(), g.strided(), dx.strided());
        sink.add(o.x(), dx);
      }
      case SoftmaxOp.LogSumExp o -> sink.add(o.x(), Softmax.softmax(o.x()).mul(g.unsqueeze(1)));
    }
  }

  private static Tensor like(Tensor out) {
    return Tensor.empty(out.device(), "softmax gradient", DType.F32, out.shape());
  }
}
