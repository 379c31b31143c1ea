package dev.theriac.op;

import dev.theriac.tensor.Tensor;

/** Gradient of the rotary embedding: the opposite rotation. */
final class RopeGradients {
  private RopeGradients() {}

  static void apply(RopeOp op, Tensor grad, GradientSink sink) {
    switch (op) {
      case RopeOp.Rotate o ->
          sink.add(o.x(), Rope.rotate(grad.contiguous(), o.positions(), o.frequencies(), true));
    }
  }
}
