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
}
