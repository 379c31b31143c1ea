package dev.theriac.op;

import dev.theriac.tensor.Tensor;

/** Gradients of gather, scatter and selection: each is the opposite movement. */
final class IndexGradients {
  private IndexGradients() {}

  static void apply(IndexOp op, Tensor grad, GradientSink sink) {
    switch (op) {
      case IndexOp.GatherRows o ->
          sink.add(o.table(), Index.scatterRows(grad, o.ids(), o.table().size(0)));
      case IndexOp.ScatterRows o -> sink.add(o.x(), Index.gatherRows(grad, o.ids()));
      case IndexOp.GatherColumns o ->
          sink.add(o.x(), Index.scatterColumns(grad, o.ids(), o.x().size(1)));
      case IndexOp.ScatterColumns o -> sink.add(o.x(), Index.gatherColumns(grad, o.ids()));
      case IndexOp.TopK o ->
          sink.add(o.x(), Index.scatterColumns(grad, o.indices(), o.x().size(1)));
    }
  }
}
