package dev.theriac.cuda;

import dev.theriac.backend.GroupedKernels;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.Strided;

/**
 * Products of row groups whose sizes the host does not know: grids are as large as they may have to
 * be, and each block looks up its rows. Sums go over ascending k, or ascending rows.
 */
final class CudaGrouped implements GroupedKernels {
  private static final int BIAS_THREADS = 256;
  private static final int BIAS_COLUMNS = 32;

  /** No activation is asked for. */
  static final int NONE = -1;

  private final CudaDevice device;
  private final Precision precision;

  CudaGrouped(CudaDevice device, Precision precision) {
    this.device = device;
    this.precision = precision;
  }

  @Override
  public void grouped(Rows x, Strided w, Strided bias, Strided offsets, Strided out) {
    activated(x, w, bias, offsets, out, null, NONE);
  }

  /** As {@link #grouped}, with the activation of the results as another result. */
  void activated(
      Rows x,
      Strided w,
      Strided bias,
      Strided offsets,
      Strided out,
      Strided activated,
      int activation) {
    long n = w.size(1);
    long k = w.size(2);
    rows(x, w, new long[] {n, k, k, 1}, bias, offsets, false, out, activated, activation);
  }

  @Override
  public void groupedInputGradient(
      Rows grad, Strided w, Strided offsets, boolean accumulate, Strided dx) {
    long n = w.size(1);
    long k = w.size(2);
    rows(grad, w, new long[] {k, n, 1, k}, null, offsets, accumulate, dx, null, NONE);
  }

  /**
   * @param turn columns of the result, depth of the sums, strides of w along both
   */
  private void rows(
      Rows x,
      Strided w,
      long[] turn,
      Strided bias,
      Strided offsets,
      boolean accumulate,
      Strided out,
      Strided activated,
      int activation) {
    if (out.size() == 0) return;
    long groups = w.size(0);
    long rows = out.size(0);
    long columns = out.size(1);
    Tiles tiles = Tiles.of(precision, groups, rows / groups, columns);
    long numbers = tiles.numbers(rows, groups);
    Tiles.rows(tiles.launch(device, "grouped_rows", 1), x)
        .grid(numbers * Tiles.ceiling(columns, tiles.size()))
        .pointer(w)
        .pointer(bias)
        .pointer(offsets)
        .pointer(out)
        .pointer(activated)
        .struct(
            new StructBytes(6, 3)
                .longs(groups)
                .longs(turn)
                .longs(numbers)
                .ints(Tiles.type(w), accumulate ? 1 : 0, activation)
                .segment())
        .run();
  }

  @Override
  public void groupedWeightGradient(
      Rows grad, Rows x, Strided offsets, boolean accumulate, Strided dw) {
    if (dw.size() == 0) return;
    long n = dw.size(1);
    long k = dw.size(2);
    Tiles tiles = Tiles.of(precision, dw.size(0), n, k);
    Tiles.rows(Tiles.rows(tiles.launch(device, "grouped_weight_gradient", 1), grad), x)
        .grid(tiles.cover(n, k), dw.size(0), 1)
        .pointer(offsets)
        .pointer(dw)
        .struct(new StructBytes(2, 1).longs(n, k).ints(accumulate ? 1 : 0).segment())
        .run();
  }

  @Override
  public void groupedBiasGradient(
      Rows grad, Strided scale, Strided offsets, boolean accumulate, Strided dbias) {
    if (dbias.size() == 0) return;
    Tiles.rows(device.kernel("grouped_bias_gradient"), grad)
        .grid(Tiles.ceiling(dbias.size(1), BIAS_COLUMNS), dbias.size(0), 1)
        .block(BIAS_THREADS)
        .pointer(scale)
        .pointer(offsets)
        .pointer(dbias)
        .longs(dbias.size(1))
        .ints(accumulate ? 1 : 0)
        .run();
  }
}
