package dev.theriac.cuda;

import dev.theriac.backend.MatmulKernels;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import java.util.Arrays;

/** Products by tiles; sums over k in ascending order, so that results depend on shapes alone. */
final class CudaMatmul implements MatmulKernels {
  /** What a grid takes along z. */
  private static final long MOST_BATCHES = 65535;

  private final CudaDevice device;
  private final Precision precision;

  CudaMatmul(CudaDevice device, Precision precision) {
    this.device = device;
    this.precision = precision;
  }

  @Override
  public void matmul(Strided a, Strided b, Strided bias, Strided c, boolean accumulate) {
    if (c.size() == 0) return;
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

  private static Layout leading(Layout x, int dims) {
    return Layout.strided(Arrays.copyOf(x.shape(), dims), Arrays.copyOf(x.strides(), dims), 0);
  }
}
