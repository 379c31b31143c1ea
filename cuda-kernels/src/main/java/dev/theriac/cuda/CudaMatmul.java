package dev.theriac.cuda;

import dev.theriac.backend.ElementwiseKernels;
import dev.theriac.backend.MatmulKernels;
import dev.theriac.cuda.device.CudaBlas;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import java.util.Arrays;
import jcuda.jcublas.cublasComputeType;

/**
 * Products by cuBLAS where there is one and it knows the operands' layout and type, otherwise by
 * tiles of our own. The tiles' sums go over k in ascending order, so that results depend on shapes
 * alone; for cuBLAS see {@link CudaBlas}. Which of them multiplies depends on the layout alone.
 */
final class CudaMatmul implements MatmulKernels {
  /** What a grid takes along z. */
  private static final long MOST_BATCHES = 65535;

  private final CudaDevice device;
  private final Precision precision;
  private final ElementwiseKernels elementwise;
  private final boolean blas;

  /**
   * @param elementwise to fill in a bias
   * @param blas whether cuBLAS may be used
   */
  CudaMatmul(CudaDevice device, Precision precision, ElementwiseKernels elementwise, boolean blas) {
    this.device = device;
    this.precision = precision;
    this.elementwise = elementwise;
    this.blas = blas;
  }

  @Override
  public void matmul(Strided a, Strided b, Strided bias, Strided c, boolean accumulate) {
    if (c.size() == 0) return;
    if (blas && byBlas(a, b, bias, c, accumulate)) return;
    long m = c.size(-2);
    long n = c.size(-1);
    int batchDims = c.layout().rank() - 2;
    long batches = leading(c.layout(), batchDims).size();
    Tiles tiles = Tiles.of(precision, batches, m, n);
    for (long first = 0; first < batches; first += MOST_BATCHES) {
      tiles
          .launch(device, "matmul", 1)
          .grid(tiles.cover(m, n), 1, Math.min(MOST_BATCHES, batches - first))
          .pointer(a)
          .pointer(b)
          .pointer(bias)
          .pointer(c)
          .struct(
              new StructBytes(8, 2)
                  .longs(m, n, a.size(-1), a.stride(-2), a.stride(-1))
                  .longs(b.stride(-2), b.stride(-1), first)
                  .ints(Tiles.type(b), accumulate ? 1 : 0)
                  .segment())
          .layout(leading(a.layout(), batchDims))
          .layout(leading(b.layout(), batchDims))
          .run();
    }
  }

  /** Whether cuBLAS could do it, and then did. */
  private boolean byBlas(Strided a, Strided b, Strided bias, Strided c, boolean accumulate) {
    if (a.dtype() != DType.F32 || b.dtype() != DType.F32 || a.size(-1) == 0) return false;
    if (!CudaBlas.of(device).availability().available()) return false;
    CudaBlas.Matrix left = matrix(a);
    CudaBlas.Matrix right = matrix(b);
    CudaBlas.Matrix out = matrix(c);
    if (left == null || right == null || out == null) return false;
    long batch = leading(c.layout(), c.layout().rank() - 2).size();
    if (batch > Integer.MAX_VALUE) return false;
    if (bias != null) {
      long[] strides = new long[c.layout().rank()];
      strides[strides.length - 1] = 1;
      Layout rows = Layout.strided(c.layout().shape(), strides, bias.layout().offset());
      elementwise.copy(bias.with(rows), c);
    }
    // What is row-major to us is the transposed matrix to cuBLAS: c^T = b^T a^T.
    CudaBlas.of(device)
        .gemm(
            (int) c.size(-1),
            (int) c.size(-2),
            (int) a.size(-1),
            right,
            left,
            accumulate || bias != null ? 1 : 0,
            out,
            (int) batch,
            switch (precision) {
              case F32 -> cublasComputeType.CUBLAS_COMPUTE_32F;
              case TF32 -> cublasComputeType.CUBLAS_COMPUTE_32F_FAST_TF32;
              case BF16 -> cublasComputeType.CUBLAS_COMPUTE_32F_FAST_16BF;
            });
    return true;
  }

  /** The matrices, if neighbours are contiguous and batches evenly apart; otherwise null. */
  private CudaBlas.Matrix matrix(Strided x) {
    long rows = x.size(-2);
    long columns = x.size(-1);
    long down = rows == 1 ? columns : x.stride(-2);
    long across = columns == 1 ? rows == 1 ? 1 : rows : x.stride(-1);
    boolean plain = (columns == 1 || x.stride(-1) == 1) && down >= columns;
    boolean turned = !plain && (rows == 1 || x.stride(-2) == 1) && across >= rows;
    if (!plain && !turned) return null;
    long ld = plain ? down : across;
    if (Math.max(Math.max(rows, columns), ld) > Integer.MAX_VALUE) return null;
    long stride = 0;
    long count = 1;
    for (int d = x.layout().rank() - 3; d >= 0; d--) {
      long size = x.size(d);
      if (size == 1) continue;
      if (count == 1) stride = x.stride(d);
      else if (x.stride(d) != stride * count) return null;
      count *= size;
    }
    return new CudaBlas.Matrix(x.deviceAddress(device.device()), turned, (int) ld, stride);
  }

  private static Layout leading(Layout x, int dims) {
    return Layout.strided(Arrays.copyOf(x.shape(), dims), Arrays.copyOf(x.strides(), dims), 0);
  }
}
