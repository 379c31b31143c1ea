package dev.theriac.cuda;

import dev.theriac.backend.LossKernels;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.Strided;

/** Cross-entropy from logits, row by row: kernels of {@code loss.cu}. */
final class CudaLoss implements LossKernels {
  private final CudaDevice device;

  CudaLoss(CudaDevice device) {
    this.device = device;
  }

  @Override
  public void crossEntropy(
      Strided logits, Strided targets, long ignored, Strided losses, Strided lse) {
    long rows = logits.size(0);
    long columns = logits.size(1);
    if (rows == 0) return;
    RowLaunch.of(device, "loss_cross_entropy", rows, columns)
        .pointer(logits)
        .pointer(targets)
        .pointer(losses)
        .pointer(lse)
        .longs(ignored, rows, columns)
        .ints(RowLaunch.wide(device, columns, logits))
        .run();
  }

  @Override
  public void crossEntropyGradient(
      Strided logits, Strided targets, long ignored, Strided lse, float scale, Strided dlogits) {
    long rows = logits.size(0);
    long columns = logits.size(1);
    if (rows == 0 || columns == 0) return;
    RowLaunch.of(device, "loss_cross_entropy_gradient", rows, columns)
        .pointer(logits)
        .pointer(targets)
        .pointer(lse)
        .pointer(dlogits)
        .longs(ignored, rows, columns)
        .floats(scale)
        .ints(RowLaunch.wide(device, columns, logits, dlogits))
        .run();
  }
}
