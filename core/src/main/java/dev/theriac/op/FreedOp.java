package dev.theriac.op;

import dev.theriac.tensor.Tensor;
import java.util.List;

/** Stands where an operation was whose saved tensors a backward pass has used and freed. */
record FreedOp(String name) implements Op {
  @Override
  public List<Tensor> inputs() {
    return List.of();
  }
}
