package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;

/** Softmax and log-softmax over the last dimension. */
public final class Softmax {
  private Softmax() {}

  /** exp(x - max) / sum; a row of -infinity gives zeros. */
  public static Tensor softmax(Tensor x) {
    Tensor in = rows("softmax", x);
    Tensor out = Tensor.empty(in.device(), "softmax", DType.F32, in.shape());
    Check.backend("softmax", in).softmax().softmax(in.strided(), out.strided());
    return shaped(Autograd.result(out.strided(), new SoftmaxOp.Plain(in)), x);
  }

  /** x - max - log(sum(exp(x - max))). */
  public static Tensor logSoftmax(Tensor x) {
    Tensor in = rows("logSoftmax", x);
    Tensor out = Tensor.empty(in.device(), "logSoftmax", DType.F32, in.shape());
    Check.backend("logSoftmax", in).softmax().logSoftmax(in.strided(), out.strided());
    return shaped(Autograd.result(out.strided(), new SoftmaxOp.Log(in)), x);
  }

  /** log(sum(exp(x))) over the last dimension, which disappears; -infinity where all are. */
  public static Tensor logSumExp(Tensor x) {
    Tensor in = rows("logSumExp", x);
    Tensor out = Tensor.empty(in.device(), "logSumExp", DType.F32, in.size(0));
    Check.backend("logSumExp", in).softmax().logSumExp(in.strided(), out.strided());
    Tensor y = Autograd.result(out.strided(), new SoftmaxOp.LogSumExp(in));
    long[] shape = Arrays.copyOf(x.shape(), x.rank() - 1);
    return Elementwise.cast(x.rank() == 2 ? y : y.reshape(shape), x.dtype());
  }

  private static Tensor rows(String op, Tensor x) {
    Check.that(x.rank() >= 1 && x.size(-1) > 0, "%s: shape %s has no classes", op, x.layout());
    return Check.f32(op, x).reshape(x.size() / x.size(-1), x.size(-1)).contiguous();
  }

  private static Tensor shaped(Tensor y, Tensor x) {
    return Elementwise.cast(x.rank() == 2 ? y : y.reshape(x.shape()), x.dtype());
  }
}
