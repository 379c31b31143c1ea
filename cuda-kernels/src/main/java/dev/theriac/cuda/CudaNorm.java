package dev.theriac.cuda;

import dev.theriac.backend.NormKernels;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.DeviceBlock;
import dev.theriac.tensor.Strided;

/** LayerNorm and RMSNorm: kernels of {@code norm.cu}. */
final class CudaNorm implements NormKernels {
  /** Rows that one block adds up for the gradients of w and b. */
  private static final long RUN = 64;

  /** Bound on the sums that are kept of each column; runs get longer instead. */
  private static final long MOST_RUNS = 1024;

  /** Columns of a block of those kernels, and rows that it has in hand at once. */
  private static final int TILE_COLUMNS = 32;

  private static final int TILE_ROWS = 8;

  private final CudaDevice device;

  CudaNorm(CudaDevice device) {
    this.device = device;
  }

  @Override
  public void layerNorm(
      Strided x, Strided w, Strided b, float eps, Strided y, Strided mean, Strided rstd) {
    layer(x, null, w, b, eps, null, y, mean, rstd);
  }

  @Override
  public void addLayerNorm(
      Strided x,
      Strided r,
      Strided w,
      Strided b,
      float eps,
      Strided sum,
      Strided y,
      Strided mean,
      Strided rstd) {
    layer(x, r, w, b, eps, sum, y, mean, rstd);
  }

  private void layer(
      Strided x,
      Strided r,
      Strided w,
      Strided b,
      float eps,
      Strided sum,
      Strided y,
      Strided mean,
      Strided rstd) {
    long rows = x.size(0);
    long columns = x.size(1);
    if (rows == 0) return;
    RowLaunch.of(device, "norm_layer", rows, columns)
        .pointer(x)
        .pointer(r)
        .pointer(w)
        .pointer(b)
        .pointer(sum)
        .pointer(y)
        .pointer(mean)
        .pointer(rstd)
        .longs(rows, columns)
        .floats(eps)
        .ints(RowLaunch.wide(device, columns, x, r, w, b, sum, y))
        .run();
  }

  @Override
  public void rmsNorm(Strided x, Strided w, float eps, Strided y, Strided rstd) {
    rms(x, null, w, eps, null, y, rstd);
  }

  @Override
  public void addRmsNorm(
      Strided x, Strided r, Strided w, float eps, Strided sum, Strided y, Strided rstd) {
    rms(x, r, w, eps, sum, y, rstd);
  }

  private void rms(
      Strided x, Strided r, Strided w, float eps, Strided sum, Strided y, Strided rstd) {
    long rows = x.size(0);
    long columns = x.size(1);
    if (rows == 0) return;
    RowLaunch.of(device, "norm_rms", rows, columns)
        .pointer(x)
        .pointer(r)
        .pointer(w)
        .pointer(sum)
        .pointer(y)
        .pointer(rstd)
        .longs(rows, columns)
        .floats(eps)
        .ints(RowLaunch.wide(device, columns, x, r, w, sum, y))
        .run();
  }

  @Override
  public void layerNormGradient(
      Strided x,
      Strided w,
      Strided mean,
      Strided rstd,
      Strided grad,
      Strided dx,
      boolean add,
      Strided dw,
      Strided db) {
    long rows = x.size(0);
    long columns = x.size(1);
    if (dx != null && rows > 0) {
      RowLaunch.of(device, "norm_layer_gradient", rows, columns)
          .pointer(x)
          .pointer(w)
          .pointer(mean)
          .pointer(rstd)
          .pointer(grad)
          .pointer(dx)
          .longs(rows, columns)
          .ints(add ? 1 : 0, RowLaunch.wide(device, columns, x, w, grad, dx))
          .run();
    }
    columnSums(x, mean, rstd, grad, dw, db);
  }

  @Override
  public void rmsNormGradient(
      Strided x, Strided w, Strided rstd, Strided grad, Strided dx, boolean add, Strided dw) {
    long rows = x.size(0);
    long columns = x.size(1);
    if (dx != null && rows > 0) {
      RowLaunch.of(device, "norm_rms_gradient", rows, columns)
          .pointer(x)
          .pointer(w)
          .pointer(rstd)
          .pointer(grad)
          .pointer(dx)
          .longs(rows, columns)
          .ints(add ? 1 : 0, RowLaunch.wide(device, columns, x, w, grad, dx))
          .run();
    }
    columnSums(x, null, rstd, grad, dw, null);
  }

  /** Sums of runs of rows, then the sums of those: an order that the shape alone gives. */
  private void columnSums(
      Strided x, Strided mean, Strided rstd, Strided grad, Strided dw, Strided db) {
    long rows = x.size(0);
    long columns = x.size(1);
    if (columns == 0 || dw == null && db == null) return;
    long run = Math.max(RUN, (rows + MOST_RUNS - 1) / MOST_RUNS);
    long runs = (rows + run - 1) / run;
    long tiles = (columns + TILE_COLUMNS - 1) / TILE_COLUMNS;
    long bytes = Float.BYTES * runs * columns;
    DeviceBlock parts = device.allocate(2 * bytes, "gradients of a norm");
    try {
      long partsW = dw == null ? 0 : parts.address();
      long partsB = db == null ? 0 : parts.address() + bytes;
      if (runs > 0) {
        device
            .kernel("norm_columns")
            .grid(tiles, runs, 1)
            .block(TILE_COLUMNS, TILE_ROWS, 1)
            .pointer(x)
            .pointer(mean)
            .pointer(rstd)
            .pointer(grad)
            .pointer(partsW)
            .pointer(partsB)
            .longs(rows, columns, run)
            .run();
      }
      boolean both = dw != null && db != null;
      device
          .kernel("norm_columns_sum")
          .grid(tiles, both ? 2 : 1, 1)
          .block(TILE_COLUMNS, TILE_ROWS, 1)
          .pointer(dw == null ? partsB : partsW)
          .pointer(partsB)
          .pointer(dw == null ? db : dw)
          .pointer(db)
          .longs(runs, columns)
          .run();
    } finally {
      parts.release();
    }
  }
}
