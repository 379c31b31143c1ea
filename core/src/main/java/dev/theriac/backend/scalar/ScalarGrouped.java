package dev.theriac.backend.scalar;

import dev.theriac.backend.GroupedKernels;
import dev.theriac.backend.Workers;
import dev.theriac.backend.scalar.ScalarMatmul.Matrix;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/** One product after another, each in the tiles of {@link ScalarMatmul}. */
final class ScalarGrouped implements GroupedKernels {
  @Override
  public void grouped(Rows x, Strided w, Strided bias, Strided offsets, Strided out) {
    long n = w.size(1);
    long k = w.size(2);
    try (Gathered rows = new Gathered(x, offsets)) {
      Matrix a = matrix(rows.address(), k);
      Matrix c = matrix(out.address(), n);
      for (long e = 0; e < w.size(0); e++) {
        long first = offset(offsets, e);
        long row = bias == null ? 0 : bias.address() + 4 * e * n;
        Matrix b = weight(w, e).transposed();
        product(a.from(first, 0), b, row, c.from(first, 0), count(offsets, e), n, k, false);
      }
    }
  }

  @Override
  public void groupedInputGradient(
      Rows grad, Strided w, Strided offsets, boolean accumulate, Strided dx) {
    long n = w.size(1);
    long k = w.size(2);
    try (Gathered rows = new Gathered(grad, offsets)) {
      Matrix g = matrix(rows.address(), n);
      Matrix c = matrix(dx.address(), k);
      for (long e = 0; e < w.size(0); e++) {
        long first = offset(offsets, e);
        Matrix b = weight(w, e);
        product(g.from(first, 0), b, 0, c.from(first, 0), count(offsets, e), k, n, accumulate);
      }
    }
  }

  @Override
  public void groupedWeightGradient(
      Rows grad, Rows x, Strided offsets, boolean accumulate, Strided dw) {
    long n = dw.size(1);
    long k = dw.size(2);
    try (Gathered left = new Gathered(grad, offsets);
        Gathered right = new Gathered(x, offsets)) {
      for (long e = 0; e < dw.size(0); e++) {
        long first = offset(offsets, e);
        Matrix g = matrix(left.address(), n).from(first, 0).transposed();
        Matrix r = matrix(right.address(), k).from(first, 0);
        Matrix c = matrix(dw.address() + 4 * e * n * k, k);
        product(g, r, 0, c, n, k, count(offsets, e), accumulate);
      }
    }
  }

  @Override
  public void groupedBiasGradient(
      Rows grad, Strided scale, Strided offsets, boolean accumulate, Strided dbias) {
    long n = dbias.size(1);
    for (long e = 0; e < dbias.size(0); e++) {
      for (long j = 0; j < n; j++) {
        long at = dbias.address() + 4 * (e * n + j);
        double sum = accumulate ? Host.getFloat(at) : 0;
        for (long r = offset(offsets, e); r < offset(offsets, e + 1); r++) {
          double s = scale == null ? 1 : Host.getFloat(scale.address() + 4 * r);
          sum += s * Host.getFloat(grad.address(r) + 4 * j);
        }
        Host.setFloat(at, (float) sum);
      }
    }
  }

  private static Matrix matrix(long address, long columns) {
    return new Matrix(DType.F32, address, columns, 1);
  }

  private static Matrix weight(Strided w, long e) {
    long at = e * w.size(1) * w.size(2) * w.dtype().bytes();
    return new Matrix(w.dtype(), w.address() + at, w.size(2), 1);
  }

  private static long offset(Strided offsets, long e) {
    return Host.getLong(offsets.address() + 8 * e);
  }

  private static long count(Strided offsets, long e) {
    return offset(offsets, e + 1) - offset(offsets, e);
  }

  private static void product(
      Matrix a, Matrix b, long bias, Matrix c, long m, long n, long k, boolean accumulate) {
    long tilesN = (n + ScalarMatmul.TILE_N - 1) / ScalarMatmul.TILE_N;
    long tilesM = (m + ScalarMatmul.TILE_M - 1) / ScalarMatmul.TILE_M;
    long perTile =
        Math.min(m, ScalarMatmul.TILE_M) * Math.min(n, ScalarMatmul.TILE_N) * Math.max(k, 1);
    Workers.parallelRange(
        tilesM * tilesN,
        Math.max(1, ScalarMatmul.GRAIN / Math.max(1, perTile)),
        (from, to) -> {
          for (long task = from; task < to; task++) {
            long i = task / tilesN * ScalarMatmul.TILE_M;
            long j = task % tilesN * ScalarMatmul.TILE_N;
            int rows = (int) Math.min(ScalarMatmul.TILE_M, m - i);
            int columns = (int) Math.min(ScalarMatmul.TILE_N, n - j);
            long row = bias == 0 ? 0 : bias + 4 * j;
            ScalarMatmul.tile(
                a.from(i, 0), b.from(0, j), row, c.from(i, j), rows, columns, k, accumulate);
          }
        });
  }
}
