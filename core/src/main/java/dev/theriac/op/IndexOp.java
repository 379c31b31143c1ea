package dev.theriac.op;

import dev.theriac.tensor.Tensor;
import java.util.List;

/** Gather, scatter and selection. */
sealed interface IndexOp extends Op {
  record GatherRows(Tensor table, Tensor ids) implements IndexOp {
    @Override
    public String name() {
      return "gatherRows";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(table);
    }
  }

  record ScatterRows(Tensor x, Tensor ids) implements IndexOp {
    @Override
    public String name() {
      return "scatterRows";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }

  record GatherColumns(Tensor x, Tensor ids) implements IndexOp {
    @Override
    public String name() {
      return "gatherColumns";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }

  record ScatterColumns(Tensor x, Tensor ids) implements IndexOp {
    @Override
    public String name() {
      return "scatterColumns";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }

  record TopK(Tensor x, Tensor indices) implements IndexOp {
    @Override
    public String name() {
      return "topK";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }
}
