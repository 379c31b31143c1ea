package dev.theriac.backend;

import dev.theriac.tensor.Device;

/** The kernels of one device, a family each. Implementations are stateless and thread-safe. */
public interface Backend {
  /** Shown to users: "scalar", "vector-512", "cuda". */
  String name();

  Device device();

  ElementwiseKernels elementwise();

  ReduceKernels reduce();

  IndexKernels index();

  MatmulKernels matmul();

  NormKernels norm();

  SoftmaxKernels softmax();

  AttentionKernels attention();

  RopeKernels rope();

  PatchKernels patch();

  LossKernels loss();

  GroupedKernels grouped();

  SelectionKernels selection();

  ExpertKernels experts();

  OptimKernels optim();
}
