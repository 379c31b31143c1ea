package dev.theriac.op;

import dev.theriac.tensor.Tensor;
import java.util.List;

/** Sends each family to its gradients. */
final class GradientRules {
  private GradientRules() {}

  static void apply(Op op, Tensor out, Tensor grad, GradientSink sink) {
    switch (op) {
      case ElementwiseOp o -> ElementwiseGradients.apply(o, out, grad, sink);
      case ShapeOp o -> ShapeGradients.apply(o, grad, sink);
      case ReduceOp o -> ReduceGradients.apply(o, out, grad, sink);
      case IndexOp o -> IndexGradients.apply(o, grad, sink);
      case MatmulOp o -> MatmulGradients.apply(o, grad, sink);
      case NormOp o -> NormGradients.apply(o, grad, sink);
      case SoftmaxOp o -> SoftmaxGradients.apply(o, out, grad, sink);
      case AttentionOp o -> AttentionGradients.apply(o, out, grad, sink);
      case RopeOp o -> RopeGradients.apply(o, grad, sink);
      case PatchOp o -> PatchGradients.apply(o, grad, sink);
      case LossOp o -> LossGradients.apply(o, grad, sink);
      case GroupedOp o -> GroupedGradients.apply(o, grad, sink);
      case SelectionOp o -> SelectionGradients.apply(o, out, grad, sink);
      case RecomputeOp o -> o.apply(grad, sink);
      case CustomOp o -> custom(o, out, grad, sink);
      case FreedOp o -> throw new IllegalStateException("backward: " + o.name() + " was freed");
    }
  }

  private static void custom(CustomOp op, Tensor out, Tensor grad, GradientSink sink) {
    // The operation may keep what it is given and what it gives.
    grad.storage().share();
    List<Tensor> grads = op.gradients(out, grad);
    if (grads.size() != op.inputs().size()) {
      throw new IllegalStateException(
          "%s: %d gradients for %d inputs".formatted(op.name(), grads.size(), op.inputs().size()));
    }
    for (int i = 0; i < grads.size(); i++) {
      if (grads.get(i) == null) continue;
      grads.get(i).storage().share();
      sink.add(op.inputs().get(i), grads.get(i));
    }
  }
}
