package dev.theriac.op;

import dev.theriac.backend.ReduceKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.DeviceStorage;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Tensor;
import java.lang.ref.Reference;
import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/** Reductions over dimensions, each with one fixed order of summation. */
public final class Reduce {
  private Reduce() {}

  /** Over every dimension; rank 0. */
  public static Tensor all(ReduceKind kind, Tensor x) {
    return reduce(kind, x, false, IntStream.range(0, x.rank()).toArray());
  }

  /**
   * Over the given dimensions, which become 1 ({@code keepDims}) or disappear.
   *
   * @throws IllegalArgumentException for MAX and MIN over nothing
   */
  public static Tensor reduce(ReduceKind kind, Tensor x, boolean keepDims, int... dims) {
    String name = Check.name(kind);
    Tensor in = Check.f32(name, x);
    boolean[] gone = new boolean[x.rank()];
    for (int d : dims) {
      int axis = x.layout().axis(d);
      Check.that(!gone[axis], "%s: dimension %d of shape %s twice", name, d, x.layout());
      gone[axis] = true;
    }
    int[] order =
        IntStream.concat(
                IntStream.range(0, x.rank()).filter(i -> !gone[i]),
                IntStream.range(0, x.rank()).filter(i -> gone[i]))
            .toArray();
    int kept = x.rank() - dims.length;
    Layout permuted = in.layout().permute(order);
    long[] outShape = Arrays.copyOf(permuted.shape(), kept);
    long[] keptShape = x.shape();
    for (int i = 0; i < gone.length; i++) if (gone[i]) keptShape[i] = 1;
    if (kind == ReduceKind.MAX || kind == ReduceKind.MIN) {
      long count = LongStream.of(permuted.shape()).skip(kept).reduce(1, (a, b) -> a * b);
      Check.that(
          count > 0 || LongStream.of(outShape).anyMatch(s -> s == 0),
          "%s: nothing to reduce in shape %s",
          name,
          x.layout());
    }
    Tensor out = Tensor.empty(in.device(), name, DType.F32, outShape);
    Check.backend(name, in).reduce().reduce(kind, in.strided().with(permuted), kept, out.strided());
    Layout layout = Layout.contiguous(keepDims ? keptShape : outShape);
    var op = new ReduceOp.Reduction(kind, in, LongStream.of(keptShape).boxed().toList());
    return Elementwise.cast(Autograd.result(out.strided().with(layout), op), x.dtype());
  }

  /**
   * I64 index of the largest element along the last dimension, which disappears; the lowest index
   * wins ties, NaN loses to every number. No gradient.
   */
  public static Tensor argmax(Tensor x) {
    Check.that(
        x.rank() > 0 && x.size(-1) > 0, "argmax: shape %s has nothing to choose", x.layout());
    Tensor in = Autograd.noGrad(() -> Check.f32("argmax", x).reshape(-1, x.size(-1)));
    Tensor out = Tensor.empty(in.device(), "argmax", DType.I64, in.size(0));
    Check.backend("argmax", in).reduce().argmax(in.strided(), out.strided());
    if (out.storage() instanceof DeviceStorage there) there.knowIds(in.size(1), 1);
    Reference.reachabilityFence(in);
    return out.reshape(Arrays.copyOf(x.shape(), x.rank() - 1));
  }

  /** Sums the dimensions along which {@code target} was broadcast to {@code grad}'s shape. */
  static Tensor sumTo(Tensor grad, Tensor target) {
    if (grad.layout().sameShape(target.layout())) return grad;
    int lead = grad.rank() - target.rank();
    int[] dims =
        IntStream.range(0, grad.rank())
            .filter(i -> i < lead || target.size(i - lead) == 1 && grad.size(i) != 1)
            .toArray();
    return reduce(ReduceKind.SUM, grad, false, dims).reshape(target.shape());
  }
}
