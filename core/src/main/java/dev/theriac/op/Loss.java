package dev.theriac.op;

import dev.theriac.backend.ReduceKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Tensor;

/** Losses. */
public final class Loss {
  /** Label of positions that do not count, as in the field's frameworks. */
  public static final long IGNORE_INDEX = -100;

  private Loss() {}

  /** {@link #crossEntropy(Tensor, Tensor, long)} with {@link #IGNORE_INDEX}. */
  public static Tensor crossEntropy(Tensor logits, Tensor targets) {
    return crossEntropy(logits, targets, IGNORE_INDEX);
  }

  /**
   * Mean of -log softmax(logits)[target] over the positions whose target is not {@code ignored}; 0
   * with zero gradient when there is none.
   *
   * @param logits [N, V]
   * @param targets I64 [N], in [0, V) or {@code ignored}
   * @return rank 0, F32
   */
  public static Tensor crossEntropy(Tensor logits, Tensor targets, long ignored) {
    Check.that(
        logits.rank() == 2 && logits.size(1) > 0,
        "crossEntropy: logits must be [N, V], got %s",
        logits.layout());
    Check.dtype("crossEntropy", "targets", targets, DType.I64);
    Check.shape("crossEntropy", "targets", targets, logits.size(0));
    Tensor x = Check.f32("crossEntropy", logits).contiguous();
    Tensor labels = targets.contiguous();
    Check.ids("crossEntropy targets", labels, x.size(1), id -> id == ignored);
    long counted = countOthers(labels, ignored);
    Tensor losses = Tensor.empty(x.device(), "crossEntropy", DType.F32, x.size(0));
    Tensor lse = Tensor.empty(x.device(), "crossEntropy", DType.F32, x.size(0));
    var backend = Check.backend("crossEntropy", x, labels);
    backend
        .loss()
        .crossEntropy(x.strided(), labels.strided(), ignored, losses.strided(), lse.strided());
    Tensor sum = Tensor.empty(x.device(), "crossEntropy", DType.F32);
    backend.reduce().reduce(ReduceKind.SUM, losses.strided(), 0, sum.strided());
    losses.close();
    Tensor mean = Tensor.empty(x.device(), "crossEntropy", DType.F32);
    backend.elementwise().affine(sum.strided(), 1f / Math.max(1, counted), 0, mean.strided());
    sum.close();
    return Autograd.result(
        mean.strided().with(Layout.contiguous()),
        new LossOp.CrossEntropy(x, labels, ignored, lse, counted));
  }

  private static long countOthers(Tensor labels, long ignored) {
    long[] counted = new long[1];
    Check.onHost(
        labels,
        at -> {
          for (long i = 0; i < labels.size(); i++) {
            if (Host.getLong(at + 8 * i) != ignored) counted[0]++;
          }
        });
    return counted[0];
  }
}
