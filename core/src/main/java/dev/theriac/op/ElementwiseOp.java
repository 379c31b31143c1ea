package dev.theriac.op;

import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.UnaryKind;
import dev.theriac.tensor.Tensor;
import java.util.List;

/** Elementwise operations. */
sealed interface ElementwiseOp extends Op {
  record Unary(UnaryKind kind, Tensor x) implements ElementwiseOp {
    @Override
    public String name() {
      return Check.name(kind);
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }

  record Binary(BinaryKind kind, Tensor a, Tensor b) implements ElementwiseOp {
    @Override
    public String name() {
      return Check.name(kind);
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(a, b);
    }
  }

  record Affine(Tensor x, double mul) implements ElementwiseOp {
    @Override
    public String name() {
      return "affine";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }

  record Where(Tensor condition, Tensor a, Tensor b) implements ElementwiseOp {
    @Override
    public String name() {
      return "where";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(a, b);
    }
  }

  record Cast(Tensor x) implements ElementwiseOp {
    @Override
    public String name() {
      return "cast";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }

  record Dropout(Tensor x, float p, long seed, long stream, long offset) implements ElementwiseOp {
    @Override
    public String name() {
      return "dropout";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }
  }
}
