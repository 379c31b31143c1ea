package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;

/** Gradients of the normalisations. */
final class NormGradients {
  private NormGradients() {}

  static void apply(NormOp op, Tensor grad, GradientSink sink) {
    Tensor g = grad.contiguous();
    switch (op) {
      case NormOp.LayerNorm o -> {
        Tensor sum = sink.pending(o.x());
        Tensor dx = sum != null ? sum : wanted(sink, o.x());
        boolean affine = sink.wants(o.weight()) || sink.wants(o.bias());
        Tensor dw = affine ? like(o.weight()) : null;
        Tensor db = affine ? like(o.bias()) : null;
        Check.backend("layerNorm", g)
            .norm()
            .layerNormGradient(
                o.x().strided(),
                o.weight().strided(),
                o.mean().strided(),
                o.rstd().strided(),
                g.strided(),
                strided(dx),
                sum != null,
                strided(dw),
                strided(db));
        if (sum == null && dx != null) sink.add(o.x(), dx);
        if (affine) {
          sink.add(o.weight(), dw);
          sink.add(o.bias(), db);
        }
      }
      case NormOp.RmsNorm o -> {
        Tensor sum = sink.pending(o.x());
        Tensor dx = sum != null ? sum : wanted(sink, o.x());
        Tensor dw = wanted(sink, o.weight());
        Check.backend("rmsNorm", g)
            .norm()
            .rmsNormGradient(
                o.x().strided(),
                o.weight().strided(),
                o.rstd().strided(),
                g.strided(),
                strided(dx),
                sum != null,
                strided(dw));
        if (sum == null && dx != null) sink.add(o.x(), dx);
        if (dw != null) sink.add(o.weight(), dw);
      }
    }
  }

  private static Tensor wanted(GradientSink sink, Tensor input) {
    return sink.wants(input) ? like(input) : null;
  }

  private static Tensor like(Tensor t) {
    return Tensor.empty(t.device(), "norm gradient", DType.F32, t.shape());
  }

  private static Strided strided(Tensor t) {
    return t == null ? null : t.strided();
  }
}
