package dev.theriac.backend.scalar;

import dev.theriac.backend.MatmulKernels;
import dev.theriac.backend.Odometer;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import java.util.Arrays;

/** Sums over K in ascending order in float64; tiles of rows and columns keep the sums in cache. */
final class ScalarMatmul implements MatmulKernels {
  static final int TILE_M = 16;
  static final int TILE_N = 256;

  /**
   * Multiplications in a range of tasks, so that small products stay on the caller's thread; a
   * constant, so that the cut depends on the shape alone.
   */
  static final long GRAIN = 1 << 16;

  @Override
  public void matmul(Strided a, Strided b, Strided bias, Strided c, boolean accumulate) {
    int batchDims = c.layout().rank() - 2;
    long m = c.size(-2);
    long n = c.size(-1);
    long k = a.size(-1);
    long tilesM = (m + TILE_M - 1) / TILE_M;
    long tilesN = (n + TILE_N - 1) / TILE_N;
    long tiles = tilesM * tilesN;
    if (c.size() == 0) return;
    Strided batchA = a.with(leading(a.layout(), batchDims));
    Strided batchB = b.with(leading(b.layout(), batchDims));
    long pc = c.address();
    long pBias = bias == null ? 0 : bias.address();
    long perTile = Math.min(m, TILE_M) * Math.min(n, TILE_N) * Math.max(k, 1);
    Workers.parallelRange(
        batchA.size() * tiles,
        Math.max(1, GRAIN / perTile),
        (from, to) -> {
          for (long task = from; task < to; task++) {
            long batch = task / tiles;
            long i = task % tiles / tilesN * TILE_M;
            long j = task % tilesN * TILE_N;
            Odometer o = new Odometer(batch, batch + 1, batchA, batchB);
            o.next();
            tile(
                new Matrix(a.dtype(), o.address(0), a.stride(-2), a.stride(-1)).from(i, 0),
                new Matrix(b.dtype(), o.address(1), b.stride(-2), b.stride(-1)).from(0, j),
                bias == null ? 0 : pBias + 4 * j,
                new Matrix(DType.F32, pc + 4 * batch * m * n, n, 1).from(i, j),
                (int) Math.min(TILE_M, m - i),
                (int) Math.min(TILE_N, n - j),
                k,
                accumulate);
          }
        });
  }

  private static Layout leading(Layout x, int dims) {
    return Layout.strided(
        Arrays.copyOf(x.shape(), dims), Arrays.copyOf(x.strides(), dims), x.offset());
  }

  /** A matrix in memory; strides in elements. */
  record Matrix(DType type, long address, long rowStride, long columnStride) {
    Matrix from(long row, long column) {
      long at = row * rowStride + column * columnStride;
      return new Matrix(type, address + at * type.bytes(), rowStride, columnStride);
    }

    Matrix transposed() {
      return new Matrix(type, address, columnStride, rowStride);
    }

    double get(long row, long column) {
      return Host.get(type, address, row * rowStride + column * columnStride);
    }
  }

  /**
   * c = a b (+ bias) or c += a b for m rows and n columns, at most {@link #TILE_M} by {@link
   * #TILE_N}. {@code bias} is an address or 0.
   */
  static void tile(
      Matrix a, Matrix b, long bias, Matrix c, int m, int n, long k, boolean accumulate) {
    double[] sums = new double[m * n];
    double[] row = new double[n];
    for (long p = 0; p < k; p++) {
      for (int j = 0; j < n; j++) row[j] = b.get(p, j);
      for (int i = 0; i < m; i++) axpy(a.get(i, p), row, sums, i * n, n);
    }
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        double sum = sums[i * n + j];
        long at = c.address + 4 * (i * c.rowStride + j * c.columnStride);
        if (bias != 0) sum += Host.getFloat(bias + 4L * j);
        if (accumulate) sum += Host.getFloat(at);
        Host.setFloat(at, (float) sum);
      }
    }
  }

  private static void axpy(double a, double[] x, double[] y, int at, int n) {
    for (int j = 0; j < n; j++) y[at + j] += a * x[j];
  }
}
