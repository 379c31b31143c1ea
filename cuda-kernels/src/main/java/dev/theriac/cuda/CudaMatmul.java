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

  private static final int SMALL_SHARED = 2 * 16 * (2 * (Tiles.SMALL + 4)) * 4;
  private static final int LARGE_SHARED = 2 * 8 * (2 * (Tiles.LARGE + 4)) * 4;

  /** So many large tiles occupy a card; of fewer there are better many small ones. */
  private static final long MANY_TILES = 128;

  private final CudaDevice device;

  CudaMatmul(CudaDevice device) {
    this.device = device;
  }

  @Override
  public void matmul(Strided a, Strided b, Strided bias, Strided c, boolean accumulate) {
    if (c.size() == 0) return;
    long m = c.size(-2);
    long n = c.size(-1);
    int batchDims = c.layout().rank() - 2;
    Layout batches = leading(c.layout(), batchDims);
    boolean large =
        Tiles.count(m, Tiles.LARGE) * Tiles.count(n, Tiles.LARGE) * batches.size() >= MANY_TILES;
    int tile = large ? Tiles.LARGE : Tiles.SMALL;
    for (long first = 0; first < batches.size(); first += MOST_BATCHES) {
      device
          .kernel(large ? "matmul_f32_large" : "matmul_f32")
          .grid(
              Tiles.count(m, tile) * Tiles.count(n, tile),
              1,
              Math.min(MOST_BATCHES, batches.size() - first))
          .block(large ? 256 : 128)
          .shared(large ? LARGE_SHARED : SMALL_SHARED)
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
