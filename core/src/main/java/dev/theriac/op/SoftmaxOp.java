package dev.theriac.op;

import dev.theriac.tensor.Tensor;
import java.util.List;

/** Softmax and its logarithm over the last dimension; x is [N, C]. */
sealed interface SoftmaxOp extends Op {
  record Plain(Tensor x) implements SoftmaxOp {
    @Override
    public String name() {
      return "softmax";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }

  record LogSumExp(Tensor x) implements SoftmaxOp {
    @Override
    public String name() {
      return "logSumExp";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }

  record Log(Tensor x) implements SoftmaxOp {
    @Override
    public String name() {
      return "logSoftmax";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }
}
