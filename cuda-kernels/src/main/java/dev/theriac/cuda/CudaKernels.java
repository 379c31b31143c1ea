package dev.theriac.cuda;

import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.cuda.device.Launch;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.DeviceStorage;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import java.util.function.Consumer;

/** What the families of kernels share: their device, scratch memory, checks of layouts. */
abstract class CudaKernels {
  final CudaDevice device;

  CudaKernels(CudaDevice device) {
    this.device = device;
  }

  /** Where the element at index 0 of every dimension is on the device. */
  final long address(Strided tensor) {
    return tensor.deviceAddress(device.device());
  }

  final Launch kernel(String name) {
    return device.kernel(name);
  }

  /** A launch with a thread for each of {@code count} elements, in blocks of 256. */
  final Launch kernel(String name, long count) {
    return device.kernel(name).grid(Math.ceilDiv(count, 256)).block(256);
  }

  /**
   * @throws IllegalArgumentException if the kernel would write between the elements
   */
  static void requireContiguous(String operation, Strided... tensors) {
    for (Strided tensor : tensors) {
      if (tensor.isContiguous()) continue;
      throw new IllegalArgumentException(
          "%s: a tensor of shape %s is not contiguous; copy it with contiguous() first"
              .formatted(operation, tensor.layout()));
    }
  }

  /**
   * Runs something with memory that is its own until everything queued so far is done: what is
   * freed is given out again in the order of the stream.
   */
  final void withScratch(DType dtype, long count, String holder, Consumer<Strided> body) {
    DeviceStorage storage =
        DeviceStorage.wrap(device.allocate(Math.max(1, count) * dtype.bytes(), holder), holder);
    try {
      body.accept(new Strided(storage, dtype, Layout.contiguous(count)));
    } finally {
      storage.free(holder);
    }
  }
}
