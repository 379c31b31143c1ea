package dev.theriac.cuda;

import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.cuda.device.Launch;
import dev.theriac.tensor.Strided;

/** How rows are spread over threads, as {@code rows.cuh} wants it: given by the shape alone. */
final class RowLaunch {
  /** Elements of a row that a thread keeps in registers. */
  private static final int KEPT = 8;

  private static final int WARP = 32;

  /** Rows of a block where each is a warp's. */
  private static final int ROWS = 4;

  /** Threads of a row that is too long to be kept, and of the longest that is kept. */
  private static final int MOST_THREADS = 512;

  private RowLaunch() {}

  /** A launch with grid and block set; there must be a row at least. */
  static Launch of(CudaDevice device, String kernel, long rows, long columns) {
    int threads = WARP;
    while (threads < MOST_THREADS && (long) threads * KEPT < columns) threads *= 2;
    int together = threads == WARP ? ROWS : 1;
    return device.kernel(kernel).grid((rows + together - 1) / together).block(threads, together, 1);
  }

  /**
   * Whether kernels may read four columns at once: 1 or 0.
   *
   * @param tensors rows of {@code columns} elements each; null ones do not count
   */
  static int wide(CudaDevice device, long columns, Strided... tensors) {
    if (columns % 4 != 0) return 0;
    for (Strided tensor : tensors) {
      if (tensor != null && tensor.deviceAddress(device.device()) % 16 != 0) return 0;
    }
    return 1;
  }
}
