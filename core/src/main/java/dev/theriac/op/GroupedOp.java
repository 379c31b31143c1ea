package dev.theriac.op;

import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/** Products of row groups with a matrix each. */
sealed interface GroupedOp extends Op {
  /** x [R, K], weight [E, N, K], bias [E, N] or null, offsets I64 [E+1]. */
  record Linear(Tensor x, Tensor weight, Tensor bias, Tensor offsets) implements GroupedOp {
    @Override
    public String name() {
      return "groupedLinear";
    }

    @Override
    public List<Tensor> inputs() {
      List<Tensor> in = new ArrayList<>(List.of(x, weight));
      if (bias != null) in.add(bias);
      return in;
    }
  }
}
