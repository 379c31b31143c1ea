package dev.theriac.cuda;

import dev.theriac.backend.SoftmaxKernels;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.Strided;

/** Softmax and the log of it, over rows of any length: kernels of {@code softmax.cu}. */
final class CudaSoftmax implements SoftmaxKernels {
  private final CudaDevice device;

  CudaSoftmax(CudaDevice device) {
    this.device = device;
  }

  @Override
  public void softmax(Strided x, Strided out) {
    forward("softmax_rows", x, out);
  }

  @Override
  public void softmaxGradient(Strided y, Strided grad, Strided dx) {
    gradient("softmax_gradient", y, grad, dx);
  }

  @Override
  public void logSoftmax(Strided x, Strided out) {
    forward("softmax_log_rows", x, out);
  }

  @Override
  public void logSoftmaxGradient(Strided y, Strided grad, Strided dx) {
    gradient("softmax_log_gradient", y, grad, dx);
  }

  @Override
  public void logSumExp(Strided x, Strided out) {
    long rows = x.size(0);
    long columns = x.size(1);
    if (rows == 0) return;
    RowLaunch.of(device, "softmax_log_sum", rows, columns)
        .pointer(x)
        .pointer(out)
        .longs(rows, columns)
        .ints(RowLaunch.wide(device, columns, x))
        .run();
  }

  private void forward(String kernel, Strided x, Strided out) {
    long rows = x.size(0);
    long columns = x.size(1);
    if (rows == 0 || columns == 0) return;
    RowLaunch.of(device, kernel, rows, columns)
        .pointer(x)
        .pointer(out)
        .longs(rows, columns)
        .ints(RowLaunch.wide(device, columns, x, out))
        .run();
  }

  private void gradient(String kernel, Strided y, Strided grad, Strided dx) {
    long rows = y.size(0);
    long columns = y.size(1);
    if (rows == 0 || columns == 0) return;
    RowLaunch.of(device, kernel, rows, columns)
        .pointer(y)
        .pointer(grad)
        .pointer(dx)
        .longs(rows, columns)
        .ints(RowLaunch.wide(device, columns, y, grad, dx))
        .run();
  }
}
