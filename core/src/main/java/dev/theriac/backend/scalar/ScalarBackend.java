package dev.theriac.backend.scalar;

import dev.theriac.backend.AttentionKernels;
import dev.theriac.backend.Backend;
import dev.theriac.backend.ElementwiseKernels;
import dev.theriac.backend.GroupedKernels;
import dev.theriac.backend.IndexKernels;
import dev.theriac.backend.LossKernels;
import dev.theriac.backend.MatmulKernels;
import dev.theriac.backend.NormKernels;
import dev.theriac.backend.OptimKernels;
import dev.theriac.backend.PatchKernels;
import dev.theriac.backend.ReduceKernels;
import dev.theriac.backend.RopeKernels;
import dev.theriac.backend.SoftmaxKernels;
import dev.theriac.tensor.Device;

/** Plain loops with float64 accumulators: the oracle of every other back end, and its fallback. */
public final class ScalarBackend implements Backend {
  public static final ScalarBackend INSTANCE = new ScalarBackend();

  private ScalarBackend() {}

  @Override
  public String name() {
    return "scalar";
  }

  @Override
  public Device device() {
    return Device.CPU;
  }

  @Override
  public ElementwiseKernels elementwise() {
    throw new UnsupportedOperationException("elementwise");
  }

  @Override
  public ReduceKernels reduce() {
    throw new UnsupportedOperationException("reduce");
  }

  @Override
  public IndexKernels index() {
    throw new UnsupportedOperationException("index");
  }

  @Override
  public MatmulKernels matmul() {
    throw new UnsupportedOperationException("matmul");
  }

  @Override
  public NormKernels norm() {
    throw new UnsupportedOperationException("norm");
  }

  @Override
  public SoftmaxKernels softmax() {
    throw new UnsupportedOperationException("softmax");
  }

  @Override
  public AttentionKernels attention() {
    throw new UnsupportedOperationException("attention");
  }

  @Override
  public RopeKernels rope() {
    throw new UnsupportedOperationException("rope");
  }

  @Override
  public PatchKernels patch() {
    throw new UnsupportedOperationException("patch");
  }

  @Override
  public LossKernels loss() {
    throw new UnsupportedOperationException("loss");
  }

  @Override
  public GroupedKernels grouped() {
    throw new UnsupportedOperationException("grouped");
  }

  @Override
  public OptimKernels optim() {
    throw new UnsupportedOperationException("optim");
  }
}
