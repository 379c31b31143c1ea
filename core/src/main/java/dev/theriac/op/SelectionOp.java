package dev.theriac.op;

import dev.theriac.tensor.Tensor;
import java.util.List;

/** What is computed from chosen columns; logits [N, C], ids I64 [N, k]. */
sealed interface SelectionOp extends Op {
  record SelectedSoftmax(Tensor logits, Tensor ids, boolean sigmoid) implements SelectionOp {
    @Override
    public String name() {
      return "selectedSoftmax";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(logits);
    }
  }
}
