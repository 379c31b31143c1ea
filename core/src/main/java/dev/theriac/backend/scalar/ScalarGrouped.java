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
  public void grouped(Strided x, Strided w, Strided bias, Strided offsets, Strided out) {
    long n = w.size(1);
    long k = w.size(2);
    Matrix a = matrix(x.address(), k);
    Matrix c = matrix(out.address(), n);
    for (long e = 0; e < w.size(0); e++) {
      long first = offset(offsets, e);
      long rows = offset(offsets, e + 1) - first;
      Matrix b = matrix(w.address() + 4 * e * n * k, k).transposed();
      long row = bias == null ? 0 : bias.address() + 4 * e * n;
      product(a.from(first, 0), b, row, c.from(first, 0), rows, n, k);
    }
  }

  @Override
  public void groupedInputGradient(Strided grad, Strided w, Strided offsets, Strided dx) {
    long n = w.size(1);
    long k = w.size(2);
    Matrix g = matrix(grad.address(), n);
    Matrix c = matrix(dx.address(), k);
    for (long e = 0; e < w.size(0); e++) {
      long first = offset(offsets, e);
      long rows = offset(offsets, e + 1) - first;
      Matrix b = matrix(w.address() + 4 * e * n * k, k);
      product(g.from(first, 0), b, 0, c.from(first, 0), rows, k, n);
    }
  }

  @Override
  public void groupedWeightGradient(
      Strided grad, Strided x, Strided offsets, Strided dw, Strided dbias) {
    long n = dw.size(1);
    long k = dw.size(2);
    for (long e = 0; e < dw.size(0); e++) {
      long first = offset(offsets, e);
      long rows = offset(offsets, e + 1) - first;
      Matrix g = matrix(grad.address(), n).from(first, 0);
      Matrix c = matrix(dw.address() + 4 * e * n * k, k);
      product(g.transposed(), matrix(x.address(), k).from(first, 0), 0, c, n, k, rows);
      if (dbias == null) continue;
      for (long j = 0; j < n; j++) {
        double sum = 0;
        for (long r = 0; r < rows; r++) sum += g.get(r, j);
        Host.setFloat(dbias.address() + 4 * (e * n + j), (float) sum);
      }
    }
  }

  private static Matrix matrix(long address, long columns) {
    return new Matrix(DType.F32, address, columns, 1);
  }

  private static long offset(Strided offsets, long e) {
    return Host.getLong(offsets.address() + 8 * e);
  }

  private static void product(Matrix a, Matrix b, long bias, Matrix c, long m, long n, long k) {
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
                a.from(i, 0), b.from(0, j), row, c.from(i, j), rows, columns, k, false);
          }
        });
  }
}
