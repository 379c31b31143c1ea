package dev.theriac.op;

import dev.theriac.tensor.Tensor;
import java.util.List;

/** Normalisations over the last dimension; x is [N, D]. */
sealed interface NormOp extends Op {
  record LayerNorm(Tensor x, Tensor weight, Tensor bias, Tensor mean, Tensor rstd)
      implements NormOp {
    @Override
    public String name() {
      return "layerNorm";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x, weight, bias);
    }

    @Override
    public List<Tensor> saved() {
      return List.of(mean, rstd);
    }
  }

  record RmsNorm(Tensor x, Tensor weight, Tensor rstd) implements NormOp {
    @Override
    public String name() {
      return "rmsNorm";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x, weight);
    }

    @Override
    public List<Tensor> saved() {
      return List.of(rstd);
    }
  }
}
