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

  /**
   * A mixture of feed-forwards; see {@link Grouped#feedForward}.
   *
   * @param zGate [R, n], arguments of the activation
   * @param zUp [R, n], or null for the plain form
   */
  record FeedForward(FeedForwardPass pass, Tensor zGate, Tensor zUp) implements GroupedOp {
    @Override
    public String name() {
      return "feedForward";
    }

    @Override
    public List<Tensor> inputs() {
      return pass.inputs();
    }

    @Override
    public List<Tensor> saved() {
      return zUp == null ? List.of(zGate) : List.of(zGate, zUp);
    }
  }
}
