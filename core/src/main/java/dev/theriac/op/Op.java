package dev.theriac.op;

import dev.theriac.tensor.Tensor;
import java.util.List;

/**
 * What made a tensor and what its gradient needs: one record for each operation, one sealed
 * interface for each family. Every operation has exactly one output that carries a gradient.
 */
public sealed interface Op
    permits ElementwiseOp,
        ShapeOp,
        ReduceOp,
        IndexOp,
        MatmulOp,
        NormOp,
        SoftmaxOp,
        AttentionOp,
        RopeOp,
        PatchOp,
        LossOp,
        GroupedOp,
        SelectionOp,
        RecomputeOp,
        FreedOp,
        CustomOp {
  /** Shown in errors and reports, such as "matmul". */
  String name();

  /** The tensors through which a gradient may flow on. */
  List<Tensor> inputs();

  /** Tensors made only for the backward pass, freed with it. */
  default List<Tensor> saved() {
    return List.of();
  }
}
