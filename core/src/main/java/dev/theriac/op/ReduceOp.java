package dev.theriac.op;

import dev.theriac.backend.ReduceKind;
import dev.theriac.tensor.Tensor;
import java.util.List;

/** Reductions; {@code keptShape} is the result's shape with the reduced dimensions as 1. */
sealed interface ReduceOp extends Op {
  record Reduction(ReduceKind kind, Tensor x, List<Long> keptShape) implements ReduceOp {
    @Override
    public String name() {
      return Check.name(kind);
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }
}
