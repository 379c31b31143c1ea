package dev.theriac.llm;

import dev.theriac.op.Loss;
import dev.theriac.op.ShapeFunctions;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.util.List;

/** The loss that language models are trained with. */
public final class NextTokenLoss {
  private NextTokenLoss() {}

  /**
   * Mean cross-entropy of each label given the positions before it.
   *
   * @param logits [B, T, V]
   * @param labels I64 [B, T], on any device, the ids, or {@link Loss#IGNORE_INDEX} where nothing is
   *     to be learned
   * @return rank 0; 0 with zero gradient when no label counts
   */
  public static Tensor of(Tensor logits, Tensor labels) {
    long batch = logits.size(0);
    long length = logits.size(1);
    // Labels move instead of logits: no second [B, T, V]. The last position has nothing to predict.
    Tensor there = labels.to(logits.device());
    Tensor none = Tensor.full(logits.device(), Loss.IGNORE_INDEX, DType.I64, batch, 1);
    Tensor wanted = ShapeFunctions.concat(1, List.of(there.slice(1, 1, length), none));
    return Loss.crossEntropy(
        logits.reshape(batch * length, logits.size(2)), wanted.reshape(batch * length));
  }
}
