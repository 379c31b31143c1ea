package dev.theriac.op;

import dev.theriac.backend.CompareKind;
import dev.theriac.backend.ReduceKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.util.stream.IntStream;

/** Gradients of the reductions. */
final class ReduceGradients {
  private ReduceGradients() {}

  static void apply(ReduceOp op, Tensor out, Tensor grad, GradientSink sink) {
    switch (op) {
      case ReduceOp.Reduction o -> {
        Tensor x = o.x();
        long[] kept = o.keptShape().stream().mapToLong(Long::longValue).toArray();
        Tensor g = grad.reshape(kept);
        switch (o.kind()) {
          case SUM -> sink.add(x, g.expand(x.shape()));
          case MEAN -> {
            double share = (double) Math.max(1, out.size()) / Math.max(1, x.size());
            sink.add(x, g.mul(share).expand(x.shape()));
          }
          case MAX, MIN -> sink.add(x, extreme(x, out.reshape(kept), g));
        }
      }
    }
  }

  /** Elements that tie for the extreme share the gradient equally. */
  private static Tensor extreme(Tensor x, Tensor best, Tensor grad) {
    Tensor hit = Elementwise.compare(CompareKind.EQ, x, best).to(DType.F32);
    int[] dims =
        IntStream.range(0, x.rank()).filter(i -> best.size(i) == 1 && x.size(i) != 1).toArray();
    Tensor count = Reduce.reduce(ReduceKind.SUM, hit, true, dims);
    return hit.mul(grad.div(count));
  }
}
