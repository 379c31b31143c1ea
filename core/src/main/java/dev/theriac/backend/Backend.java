package dev.theriac.backend;

import dev.theriac.tensor.Device;
import dev.theriac.tensor.DeviceBlock;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/** The kernels of one device, a family each. Implementations are stateless and thread-safe. */
public interface Backend {
  /** Shown to users: "scalar", "vector-512", "cuda". */
  String name();

  Device device();

  /**
   * What was chosen on this machine and why, for people: a short name and a sentence each, in
   * order. May wait some seconds for kernels to get ready.
   */
  default SequencedMap<String, String> choices() {
    return new LinkedHashMap<>();
  }

  /**
   * Begins to compile kernels that nearly every model needs, in the background, and returns at
   * once. For whoever has a model to read first: operations begin it as well, but run slowly until
   * it is done.
   */
  default void prepare() {}

  /**
   * Uninitialised memory for a tensor on {@link #device()}, which is not the host: tensors of CPU
   * back ends come from {@link dev.theriac.tensor.Memory}. Thread-safe.
   *
   * @param bytes may be 0
   * @param holder the operation named in reports
   * @throws dev.theriac.tensor.OutOfTensorMemoryException when there is not as much; says what was
   *     asked for, what is held, and the remedy
   */
  default DeviceBlock allocate(long bytes, String holder) {
    throw new UnsupportedOperationException(
        "%s computes in host memory, and gives none of its own to %s".formatted(name(), holder));
  }

  /** The same device with products in F32, for comparisons with other back ends. */
  default Backend exact() {
    return this;
  }

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

  QuantisedKernels quantised();
}
