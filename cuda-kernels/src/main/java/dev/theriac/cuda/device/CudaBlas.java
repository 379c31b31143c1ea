package dev.theriac.cuda.device;

import dev.theriac.backend.Availability;
import dev.theriac.tensor.DeviceBlock;
import dev.theriac.tensor.OutOfTensorMemoryException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import jcuda.Pointer;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasHandle;
import jcuda.jcublas.cublasMath;
import jcuda.jcublas.cublasStatus;
import jcuda.runtime.cudaStream_t;

/**
 * cuBLAS on one device, where there is one: looked for once, and its absence is a value. {@code
 * theriac.cuda.blas} is {@code auto} (the default) or {@code off}.
 *
 * <p>Calls are queued on the device's compute stream. The workspace is fixed and of one stream, so
 * results are the same in every run with the same version of cuBLAS on the same model of card; on
 * others the order of sums may be another one. Thread-safe.
 */
public final class CudaBlas {
  /** The system property that turns it off. */
  public static final String PROPERTY = "theriac.cuda.blas";

  private static final int OLDEST_VERSION = 12000;
  private static final int DEFAULT_ALGORITHM = -1;

  /** NVIDIA's own sizes: 32 MiB from sm_90 on, less before. */
  private static final long HOPPER_WORKSPACE = 32L << 20;

  private static final long WORKSPACE = 8L << 20;

  private static final Map<CudaDevice, CudaBlas> OPEN = new ConcurrentHashMap<>();

  private final CudaDevice device;
  private final Availability availability;
  private cublasHandle handle;
  private DeviceBlock workspace;

  private CudaBlas(CudaDevice device, String wanted) {
    this.device = device;
    availability = open(wanted);
  }

  /**
   * That of a device, looked for at the first call.
   *
   * @throws IllegalArgumentException if {@code theriac.cuda.blas} is neither auto nor off
   */
  public static CudaBlas of(CudaDevice device) {
    return OPEN.computeIfAbsent(device, d -> new CudaBlas(d, System.getProperty(PROPERTY, "auto")));
  }

  /** Its version, or why the project's own kernels multiply instead. */
  public Availability availability() {
    return availability;
  }

  private Availability open(String wanted) {
    if (wanted.equalsIgnoreCase("off")) {
      return Availability.missing("cuBLAS is turned off by " + PROPERTY + "=off", "");
    }
    if (!wanted.equalsIgnoreCase("auto")) {
      throw new IllegalArgumentException(
          "%s is \"%s\"; it can be auto or off".formatted(PROPERTY, wanted));
    }
    String remedy =
        "install libcublas of CUDA 12 where the system's loader finds it; until then products run"
            + " on Theriac's own kernels";
    try {
      JCudaNatives.prepare("JCublas2");
      JCublas2.setExceptionsEnabled(false);
      int[] version = new int[1];
      prepare(version);
      int major = version[0] / 10000;
      String found = "cuBLAS %d.%d".formatted(major, version[0] / 100 % 100);
      if (version[0] >= OLDEST_VERSION) return Availability.of(found);
      give();
      return Availability.missing(found + " found, 12.0 is needed", remedy);
    } catch (LinkageError e) {
      return Availability.missing("no cuBLAS could be loaded: " + e.getMessage(), remedy);
    } catch (CudaException | OutOfTensorMemoryException e) {
      give();
      return Availability.missing(e.getMessage(), remedy);
    }
  }

  /** Gives back what was taken before something failed. */
  private void give() {
    if (handle != null) JCublas2.cublasDestroy(handle);
    handle = null;
    if (workspace != null) workspace.release();
    workspace = null;
  }

  private void prepare(int[] version) {
    device.makeCurrent();
    handle = new cublasHandle();
    check("cublasCreate", JCublas2.cublasCreate(handle), device.toString());
    check("cublasGetVersion", JCublas2.cublasGetVersion(handle, version), "");
    cudaStream_t stream = new cudaStream_t(device.compute().handle());
    check("cublasSetStream", JCublas2.cublasSetStream(handle, stream), "");
    // F32 means F32: no tensor cores unless the compute type asks for them.
    check(
        "cublasSetMathMode",
        JCublas2.cublasSetMathMode(handle, cublasMath.CUBLAS_DEFAULT_MATH),
        "");
    long bytes = device.capability() >= 90 ? HOPPER_WORKSPACE : WORKSPACE;
    workspace = device.allocate(bytes, "cuBLAS workspace");
    check(
        "cublasSetWorkspace",
        JCublas2.cublasSetWorkspace(handle, RawPointer.device(workspace.address()), bytes),
        bytes + " bytes");
  }

  /**
   * A matrix, or a batch of them, as cuBLAS sees it: column-major.
   *
   * @param address of the first element
   * @param transposed whether the product takes it transposed
   * @param leading elements from one column to the next
   * @param stride elements from one matrix to the next
   */
  public record Matrix(long address, boolean transposed, int leading, long stride) {}

  /**
   * c = a b + beta c, all F32 and column-major: c is m x n, k is summed over.
   *
   * @param computeType one of {@link jcuda.jcublas.cublasComputeType}
   * @throws CudaException if cuBLAS refuses; names the call and the sizes
   */
  public synchronized void gemm(
      int m, int n, int k, Matrix a, Matrix b, float beta, Matrix c, int batch, int computeType) {
    device.makeCurrent();
    Pointer one = Pointer.to(new float[] {1});
    Pointer old = Pointer.to(new float[] {beta});
    int f32 = jcuda.cudaDataType.CUDA_R_32F;
    String call = batch == 1 ? "cublasGemmEx" : "cublasGemmStridedBatchedEx";
    // JCublas2's methods of these names are those of CUDA 10, which know no compute types.
    int status =
        batch == 1
            ? JCublas2.cublasGemmEx_new(
                handle,
                a.transposed ? 1 : 0,
                b.transposed ? 1 : 0,
                m,
                n,
                k,
                one,
                RawPointer.device(a.address),
                f32,
                a.leading,
                RawPointer.device(b.address),
                f32,
                b.leading,
                old,
                RawPointer.device(c.address),
                f32,
                c.leading,
                computeType,
                DEFAULT_ALGORITHM)
            : JCublas2.cublasGemmStridedBatchedEx_new(
                handle,
                a.transposed ? 1 : 0,
                b.transposed ? 1 : 0,
                m,
                n,
                k,
                one,
                RawPointer.device(a.address),
                f32,
                a.leading,
                a.stride,
                RawPointer.device(b.address),
                f32,
                b.leading,
                b.stride,
                old,
                RawPointer.device(c.address),
                f32,
                c.leading,
                c.stride,
                batch,
                computeType,
                DEFAULT_ALGORITHM);
    check(
        call,
        status,
        "%d x %d x %d, %d of them, leading dimensions %d, %d, %d, compute type %d"
            .formatted(m, n, k, batch, a.leading, b.leading, c.leading, computeType));
    device.launched(call);
  }

  private static void check(String call, int status, String detail) {
    if (status == cublasStatus.CUBLAS_STATUS_SUCCESS) return;
    throw new CudaException(call, status, cublasStatus.stringFor(status), detail);
  }
}
