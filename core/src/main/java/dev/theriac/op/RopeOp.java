package dev.theriac.op;

import dev.theriac.backend.RopeFrequencies;
import dev.theriac.tensor.Tensor;
import java.util.List;

/** Rotary position embedding. */
sealed interface RopeOp extends Op {
  record Rotate(Tensor x, Tensor positions, RopeFrequencies frequencies) implements RopeOp {
    @Override
    public String name() {
      return "rope";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }
}
