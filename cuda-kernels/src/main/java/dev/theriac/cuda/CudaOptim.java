package dev.theriac.cuda;

import dev.theriac.backend.OptimKernels;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.DeviceBlock;
import dev.theriac.tensor.Strided;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Updates of parameters (optim.cu), in float with correction factors in float64; sums of squares in
 * float64. What is given back to the caller is waited for.
 */
final class CudaOptim extends CudaKernels implements OptimKernels {
  private static final long CHUNK = 1 << 14;

  CudaOptim(CudaDevice device) {
    super(device);
  }

  @Override
  public void adamW(
      Strided parameter, Strided grad, Strided m, Strided v, float gradScale, AdamW step) {
    if (parameter.size() == 0) return;
    requireContiguous("adamW", parameter, grad, m, v);
    double rate = step.lr() / (1 - StrictMath.pow(step.beta1(), step.step()));
    double correction = Math.sqrt(1 - StrictMath.pow(step.beta2(), step.step()));
    kernel("optim_adamw", parameter.size())
        .pointer(parameter)
        .pointer(grad)
        .pointer(m)
        .pointer(v)
        .longs(parameter.size())
        .floats(
            gradScale,
            (float) step.beta1(),
            (float) (1 - step.beta1()),
            (float) step.beta2(),
            (float) (1 - step.beta2()),
            (float) rate,
            (float) (1 / correction),
            (float) step.eps(),
            (float) (step.lr() * step.weightDecay()))
        .run();
  }

  @Override
  public void sgd(
      Strided parameter,
      Strided grad,
      Strided momentumBuffer,
      float gradScale,
      double lr,
      double momentum,
      double weightDecay) {
    if (parameter.size() == 0) return;
    requireContiguous("sgd", parameter, grad);
    if (momentumBuffer != null) requireContiguous("sgd", momentumBuffer);
    kernel("optim_sgd", parameter.size())
        .pointer(parameter)
        .pointer(grad)
        .pointer(momentumBuffer)
        .longs(parameter.size())
        .floats(gradScale, (float) lr, (float) momentum, (float) weightDecay)
        .run();
  }

  @Override
  public void nonZero(Strided x, boolean[] out) {
    if (out.length == 0) return;
    requireContiguous("nonZero", x);
    java.util.Arrays.fill(out, false);
    if (x.size() == 0) return;
    long width = x.size() / out.length;
    DeviceBlock flags = device.allocate(out.length, "nonZero");
    try (Arena arena = Arena.ofConfined()) {
      device.clear(flags.address(), out.length);
      kernel("optim_non_zero")
          .grid(out.length, Math.min(65535, Math.ceilDiv(width, CHUNK)), 1)
          .block(256)
          .pointer(x)
          .longs(width)
          .pointer(flags.address())
          .run();
      MemorySegment found = arena.allocate(out.length);
      flags.copyToHost(0, found.address(), out.length);
      for (int i = 0; i < out.length; i++) out[i] = found.get(ValueLayout.JAVA_BYTE, i) != 0;
    } finally {
      flags.release();
    }
  }

  @Override
  public double sumOfSquares(Strided x) {
    if (x.size() == 0) return 0;
    requireContiguous("sumOfSquares", x);
    long parts = Math.ceilDiv(x.size(), CHUNK);
    DeviceBlock sums = device.allocate(8 * (parts + 1), "sumOfSquares");
    try (Arena arena = Arena.ofConfined()) {
      long total = sums.address() + 8 * parts;
      kernel("optim_squares")
          .grid(parts)
          .block(256)
          .pointer(x)
          .longs(x.size(), CHUNK)
          .pointer(sums.address())
          .run();
      kernel("optim_squares_total")
          .block(256)
          .pointer(sums.address())
          .longs(parts)
          .pointer(total)
          .run();
      MemorySegment sum = arena.allocate(ValueLayout.JAVA_DOUBLE);
      sums.copyToHost(8 * parts, sum.address(), 8);
      return sum.get(ValueLayout.JAVA_DOUBLE, 0);
    } finally {
      sums.release();
    }
  }
}
