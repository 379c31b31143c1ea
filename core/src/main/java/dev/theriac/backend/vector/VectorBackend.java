package dev.theriac.backend.vector;

import dev.theriac.backend.AttentionKernels;
import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
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
import java.util.Locale;
import java.util.SequencedMap;
import jdk.incubator.vector.FloatVector;

/**
 * The SIMD CPU back end. {@link Backends} loads it by name, so that a JVM without the vector module
 * never sees it.
 */
public final class VectorBackend implements Backend {
  private final Backend scalar = Backends.scalar();
  private final ElementwiseKernels elementwise = new VectorElementwise(scalar.elementwise());
  private final MatmulKernels matmul = new VectorMatmul();
  private final GroupedKernels grouped = new VectorGrouped();
  private final NormKernels norm = new VectorNorm();
  private final SoftmaxKernels softmax = new VectorSoftmax();
  private final LossKernels loss = new VectorLoss();
  private final ReduceKernels reduce = new VectorReduce(scalar.reduce());
  private final ExpertKernels experts = new VectorExperts();
  private final OptimKernels optim = new VectorOptim();
  private final QuantisedKernels quantised = new VectorQuantised(scalar.quantised());
  private final AttentionKernels attention = new VectorAttention(scalar.attention());
  private final RopeKernels rope = new VectorRope(scalar.rope());
  private final PatchKernels patch = new VectorPatch();
  private final SelectionKernels selection = scalar.selection();
  private final IndexKernels index = new VectorIndex(scalar.index());

  /**
   * @throws UnsupportedOperationException on an x86 CPU without AVX2, where the compiler has no
   *     instruction for most of what the kernels use and scalar code is faster
   */
  public VectorBackend() {
    String arch = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
    int bits = FloatVector.SPECIES_PREFERRED.vectorBitSize();
    if (bits < 256 && (arch.equals("amd64") || arch.equals("x86_64"))) {
      throw new UnsupportedOperationException(
          "the CPU, or -XX:UseAVX, allows vectors of "
              + bits
              + " bits only; 256 (AVX2) are needed");
    }
  }

  @Override
  public String name() {
    return "vector-" + Lanes.SPECIES.vectorBitSize();
  }

  @Override
  public SequencedMap<String, String> choices() {
    return VectorChoices.all();
  }

  @Override
  public void prepare() {
    // The first question begins it.
    GemmWarmUp.ready();
    AttentionWarmUp.ready(1);
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
