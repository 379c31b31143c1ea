package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.lang.ref.Reference;

/** Gradient of attention, from the output and the log-sum-exp of each row. */
final class AttentionGradients {
  private AttentionGradients() {}

  static void apply(AttentionOp op, Tensor out, Tensor grad, GradientSink sink) {
    switch (op) {
      case AttentionOp.ScaledDotProduct o -> {
        Tensor g = grad.contiguous();
        Tensor dq = Tensor.empty(g.device(), "attention gradient", DType.F32, o.query().shape());
        Tensor dk = Tensor.empty(g.device(), "attention gradient", DType.F32, o.key().shape());
        Tensor dv = Tensor.empty(g.device(), "attention gradient", DType.F32, o.value().shape());
        Check.backend("attention", out, g)
            .attention()
            .attentionGradient(
                o.query().strided(),
                o.key().strided(),
                o.value().strided(),
                Attention.strided(o.lengths()),
                o.causal(),
                o.scale(),
                out.strided(),
                o.lse().strided(),
                g.strided(),
                dq.strided(),
                dk.strided(),
                dv.strided());
        sink.add(o.query(), dq);
        sink.add(o.key(), dk);
        sink.add(o.value(), dv);
      }
      case AttentionOp.Windowed o -> {
        Tensor g = grad.contiguous();
        Tensor dq = Tensor.empty(g.device(), "attention gradient", DType.F32, o.query().shape());
        Tensor dk = Tensor.zeros(g.device(), o.key().shape());
        Tensor dv = Tensor.zeros(g.device(), o.value().shape());
        new WindowParts(o)
            .backward(
                Check.backend("attention", out, g).attention(),
                out.strided(),
                g.strided(),
                dq.strided(),
                dk.strided(),
                dv.strided());
        Reference.reachabilityFence(g);
        sink.add(o.query(), dq);
        sink.add(o.key(), dk);
        sink.add(o.value(), dv);
      }
    }
  }
}
