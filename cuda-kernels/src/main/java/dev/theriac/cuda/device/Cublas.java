package dev.theriac.cuda.device;

import jcuda.Pointer;
import jcuda.cudaDataType;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasComputeType;
import jcuda.jcublas.cublasHandle;
import jcuda.jcublas.cublasOperation;
import jcuda.jcublas.cublasStatus;
import jcuda.runtime.cudaStream_t;

/**
 * cuBLAS on a device's compute stream, for comparisons: the back end's own products do not need it.
 * For one thread at a time.
 */
public final class Cublas implements AutoCloseable {
  /** CUBLAS_GEMM_DEFAULT. */
  private static final int DEFAULT_ALGORITHM = -1;

  private final CudaDevice device;
  private final cublasHandle handle = new cublasHandle();
  private final Pointer one = Pointer.to(new float[] {1});
  private final Pointer zero = Pointer.to(new float[] {0});

  /** What products of F32 matrices are computed in; sums are F32. */
  public enum Compute {
    F32(cublasComputeType.CUBLAS_COMPUTE_32F),
    TF32(cublasComputeType.CUBLAS_COMPUTE_32F_FAST_TF32),
    BF16(cublasComputeType.CUBLAS_COMPUTE_32F_FAST_16BF);

    private final int type;

    Compute(int type) {
      this.type = type;
    }
  }

  /**
   * Loads the library.
   *
   * @throws LinkageError where cuBLAS 12 or JCublas is missing
   * @throws IllegalStateException when cuBLAS refuses
   */
  public Cublas(CudaDevice device) {
    this.device = device;
    JCudaNatives.prepare("JCublas2");
    device.makeCurrent();
    check("cublasCreate", JCublas2.cublasCreate(handle));
    check(
        "cublasSetStream",
        JCublas2.cublasSetStream(handle, new cudaStream_t(device.compute().handle())));
  }

  /**
   * Queues c = a b^T on contiguous F32 matrices; addresses are the device's.
   *
   * @param a [m, k]
   * @param b [n, k]
   * @param c [m, n]
   */
  public void product(long a, long b, long c, int m, int n, int k, Compute compute) {
    // cuBLAS counts columns first: what it sees of c is c^T = b a^T.
    gemm(cublasOperation.CUBLAS_OP_T, cublasOperation.CUBLAS_OP_N, n, m, k, b, k, a, k, c, compute);
  }

  /**
   * Queues c = a b on contiguous F32 matrices.
   *
   * @param a [m, k]
   * @param b [k, n]
   * @param c [m, n]
   */
  public void plainProduct(long a, long b, long c, int m, int n, int k, Compute compute) {
    gemm(cublasOperation.CUBLAS_OP_N, cublasOperation.CUBLAS_OP_N, n, m, k, b, n, a, k, c, compute);
  }

  /**
   * Queues c = a^T b on contiguous F32 matrices.
   *
   * @param a [k, m]
   * @param b [k, n]
   * @param c [m, n]
   */
  public void outerProduct(long a, long b, long c, int m, int n, int k, Compute compute) {
    gemm(cublasOperation.CUBLAS_OP_N, cublasOperation.CUBLAS_OP_T, n, m, k, b, n, a, m, c, compute);
  }

  private void gemm(
      int turnA,
      int turnB,
      int m,
      int n,
      int k,
      long a,
      int lda,
      long b,
      int ldb,
      long c,
      Compute compute) {
    if (m == 0 || n == 0) return;
    device.makeCurrent();
    check(
        "cublasGemmEx",
        JCublas2.cublasGemmEx_new(
            handle,
            turnA,
            turnB,
            m,
            n,
            k,
            one,
            RawPointer.device(a),
            cudaDataType.CUDA_R_32F,
            lda,
            RawPointer.device(b),
            cudaDataType.CUDA_R_32F,
            ldb,
            zero,
            RawPointer.device(c),
            cudaDataType.CUDA_R_32F,
            m,
            compute.type,
            DEFAULT_ALGORITHM));
  }

  private static void check(String call, int status) {
    if (status == cublasStatus.CUBLAS_STATUS_SUCCESS) return;
    throw new IllegalStateException(call + ": " + cublasStatus.stringFor(status));
  }

  @Override
  public void close() {
    device.makeCurrent();
    check("cublasDestroy", JCublas2.cublasDestroy(handle));
  }
}
