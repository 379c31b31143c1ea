package dev.theriac.cuda;

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
import dev.theriac.cuda.device.CudaBlas;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.DeviceBlock;
import java.lang.reflect.Proxy;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The kernels of one GPU. Everything runs on the device's compute stream, in the order of the
 * calls; a family without kernels says so when it is called.
 */
public final class CudaBackend implements Backend {
  private static final double GIBI = 1L << 30;

  private final CudaDevice device;
  private final Precision precision;
  private final ElementwiseKernels elementwise;
  private final ReduceKernels reduce;
  private final IndexKernels index;
  private final MatmulKernels matmul;
  private final NormKernels norm;
  private final SoftmaxKernels softmax;
  private final AttentionKernels attention;
  private final RopeKernels rope;
  private final PatchKernels patch;
  private final LossKernels loss;
  private final GroupedKernels grouped;
  private final SelectionKernels selection;
  private final ExpertKernels experts;
  private final OptimKernels optim;
  private final QuantisedKernels quantised = MissingKernels.of(QuantisedKernels.class);

  /**
   * The back end of an open device, with products in F32 or as {@code theriac.cuda.precision} says.
   */
  public CudaBackend(CudaDevice device) {
    this(device, Precision.configured());
  }

  /**
   * The back end of an open device, with matrix products of that precision; dense ones by cuBLAS
   * where {@link dev.theriac.cuda.device.CudaBlas} found it.
   */
  public CudaBackend(CudaDevice device, Precision precision) {
    this(device, precision, true);
  }

  /**
   * @param blas whether cuBLAS may be used
   */
  CudaBackend(CudaDevice device, Precision precision, boolean blas) {
    this.precision = precision;
    this.device = device;
    attention = new CudaAttention(device, CudaAttention.Version.TILED);
    elementwise = new CudaElementwise(device);
    selection = new CudaSelection(device);
    matmul = new CudaMatmul(device, precision, elementwise, blas);
    grouped = new CudaGrouped(device, precision);
    experts = new CudaExperts(device, precision);
    norm = new CudaNorm(device);
    optim = new CudaOptim(device);
    patch = new CudaPatch(device);
    rope = new CudaRope(device);
    index = new CudaIndex(device);
    reduce = new CudaReduce(device);
    softmax = new CudaSoftmax(device);
    loss = new CudaLoss(device);
  }

  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public Device device() {
    return device.device();
  }

  @Override
  public Backend exact() {
    return precision == Precision.F32 ? this : new CudaBackend(device, Precision.F32);
  }

  @Override
  public DeviceBlock allocate(long bytes, String holder) {
    return device.allocate(bytes, holder);
  }

  @Override
  public SequencedMap<String, String> choices() {
    SequencedMap<String, String> out = new LinkedHashMap<>();
    out.put(
        device.device().toString(),
        "%s, %d multiprocessors, %.1f GiB of memory, %.1f free; driver of CUDA %d.%d"
            .formatted(
                device,
                device.multiprocessors(),
                device.totalMemory() / GIBI,
                device.freeMemory() / GIBI,
                device.driverVersion() / 1000,
                device.driverVersion() % 1000 / 10));
    out.put("CUDA products", precision + " (theriac.cuda.precision), attention in F32");
    out.put("cuBLAS", CudaBlas.of(device).availability().toString());
    out.put("CUDA kernels", KernelCatalogue.load().describe(device.kernelNames()));
    out.put("CUDA missing", missing());
    return out;
  }

  /** The families without kernels. */
  private String missing() {
    String none =
        Stream.of(
                elementwise,
                reduce,
                index,
                matmul,
                norm,
                softmax,
                attention,
                rope,
                patch,
                loss,
                grouped,
                selection,
                experts,
                optim,
                quantised)
            .filter(family -> Proxy.isProxyClass(family.getClass()))
            .map(Object::toString)
            .collect(Collectors.joining(", "));
    return none.isEmpty() ? "nothing: every family has kernels" : none;
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
