package dev.theriac.op;

import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/** Matrix products. */
sealed interface MatmulOp extends Op {
  record Product(Tensor a, Tensor b) implements MatmulOp {
    @Override
    public String name() {
      return "matmul";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(a, b);
    }
  }

  /** x [M, K], weight [N, K], bias [N] or null. */
  record Linear(Tensor x, Tensor weight, Tensor bias) implements MatmulOp {
    @Override
    public String name() {
      return "linear";
    }

    @Override
    public List<Tensor> inputs() {
      List<Tensor> in = new ArrayList<>(List.of(x, weight));
      if (bias != null) in.add(bias);
      return in;
    }
  }

  /**
   * A feed-forward; see {@link Matmul#feedForward}.
   *
   * @param zGate [T, n], arguments of the activation; null where nothing is recorded
   * @param zUp [T, n], or null for the plain form
   */
  record FeedForward(DensePass pass, Tensor zGate, Tensor zUp) implements MatmulOp {
    @Override
    public String name() {
      return "denseFeedForward";
    }

    @Override
    public List<Tensor> inputs() {
      return pass.inputs();
    }

    @Override
    public List<Tensor> saved() {
      if (zGate == null) return List.of();
      return zUp == null ? List.of(zGate) : List.of(zGate, zUp);
    }
  }
}
