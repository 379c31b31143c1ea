package dev.theriac.op;

import dev.theriac.tensor.Tensor;
import java.util.List;

/** Views, copies and concatenation: operations that move elements and compute nothing. */
sealed interface ShapeOp extends Op {
  record Reshape(Tensor x) implements ShapeOp {
    @Override
    public String name() {
      return "reshape";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }

  record Permute(Tensor x, List<Integer> dims) implements ShapeOp {
    @Override
    public String name() {
      return "permute";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }

  record Slice(Tensor x, int dim, long from, long to) implements ShapeOp {
    @Override
    public String name() {
      return "slice";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }

  record Expand(Tensor x) implements ShapeOp {
    @Override
    public String name() {
      return "expand";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }

  record Copy(Tensor x) implements ShapeOp {
    @Override
    public String name() {
      return "contiguous";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }

  /** To another device. */
  record Move(Tensor x) implements ShapeOp {
    @Override
    public String name() {
      return "move";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }

  record Concat(List<Tensor> inputs, int dim) implements ShapeOp {
    @Override
    public String name() {
      return "concat";
    }
  }
}
