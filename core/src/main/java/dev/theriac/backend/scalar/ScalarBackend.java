package dev.theriac.backend.scalar;

import dev.theriac.backend.AttentionKernels;
import dev.theriac.backend.Backend;
import dev.theriac.backend.ElementwiseKernels;
import dev.theriac.backend.ExpertKernels;
import dev.theriac.backend.GroupedKernels;
import dev.theriac.backend.IndexKernels;
import dev.theriac.backend.LossKernels;
import dev.theriac.backend.MatmulKernels;
import dev.theriac.backend.NormKernels;
import dev.theriac.backend.OptimKernels;
import dev.theriac.backend.PatchKernels;
import dev.theriac.backend.QuantisedKernels;
import dev.theriac.backend.ReduceKernels;
import dev.theriac.backend.RopeKernels;
import dev.theriac.backend.SelectionKernels;
import dev.theriac.backend.SoftmaxKernels;
import dev.theriac.tensor.Device;

/** Plain loops with float64 accumulators: the oracle of every other back end, and its fallback. */
public final class ScalarBackend implements Backend {
  public static final ScalarBackend INSTANCE = new ScalarBackend();

  private final ElementwiseKernels elementwise = new ScalarElementwise();
  private final ReduceKernels reduce = new ScalarReduce();
  private final IndexKernels index = new ScalarIndex();
  private final MatmulKernels matmul = new ScalarMatmul();
  private final NormKernels norm = new ScalarNorm();
  private final SoftmaxKernels softmax = new ScalarSoftmax();
  private final AttentionKernels attention = new ScalarAttention();
  private final RopeKernels rope = new ScalarRope();
  private final PatchKernels patch = new ScalarPatch();
  private final LossKernels loss = new ScalarLoss();
  private final GroupedKernels grouped = new ScalarGrouped();
  private final SelectionKernels selection = new ScalarSelection();
  private final ExpertKernels experts = new ScalarExperts();
  private final OptimKernels optim = new ScalarOptim();
  private final QuantisedKernels quantised = new ScalarQuantised();

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
    return elementwise;
  }

  @Override
  public ReduceKernels reduce() {
    return reduce;
  }

  @Override
  public IndexKernels index() {
    return index;
  }

  @Override
  public MatmulKernels matmul() {
    return matmul;
  }

  @Override
  public NormKernels norm() {
    return norm;
  }

  @Override
  public SoftmaxKernels softmax() {
    return softmax;
  }

  @Override
  public AttentionKernels attention() {
    return attention;
  }

  @Override
  public RopeKernels rope() {
    return rope;
  }

  @Override
  public PatchKernels patch() {
    return patch;
  }

  @Override
  public LossKernels loss() {
    return loss;
  }

  @Override
  public GroupedKernels grouped() {
    return grouped;
  }

  @Override
  public SelectionKernels selection() {
    return selection;
  }

  @Override
  public ExpertKernels experts() {
    return experts;
  }

  @Override
  public OptimKernels optim() {
    return optim;
  }

  @Override
  public QuantisedKernels quantised() {
    return quantised;
  }
}
