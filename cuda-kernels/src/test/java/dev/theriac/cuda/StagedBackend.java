package dev.theriac.cuda;

import dev.theriac.backend.Backend;
import dev.theriac.cuda.device.CudaDevice;

/** The kernels of the tests' device, for tensors in host memory. */
final class StagedBackend {
  private StagedBackend() {}

  static Backend of(Backend backend, CudaDevice device) {
    return dev.theriac.backend.check.StagedBackend.of(backend);
  }
}
