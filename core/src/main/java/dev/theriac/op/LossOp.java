package dev.theriac.op;

import dev.theriac.tensor.Tensor;
import java.util.List;

/** Losses; logits are [N, V]. */
sealed interface LossOp extends Op {
  record CrossEntropy(Tensor logits, Tensor targets, long ignored, Tensor lse, long counted)
      implements LossOp {
    @Override
    public String name() {
      return "crossEntropy";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(logits);
    }

    @Override
    public List<Tensor> saved() {
      return List.of(lse);
    }
  }
}
