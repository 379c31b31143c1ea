package dev.theriac.op;

import dev.theriac.tensor.Tensor;
import java.util.List;

/** Images to patches. */
sealed interface PatchOp extends Op {
  record Unfold(Tensor image, int patch) implements PatchOp {
    @Override
    public String name() {
      return "unfold";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(image);
    }
  }
}
