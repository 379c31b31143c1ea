package dev.theriac.cuda;

import dev.theriac.backend.Availability;
import dev.theriac.backend.Backend;
import dev.theriac.backend.BackendProvider;

/** The CUDA back end's entry, found by the service loader; see {@link Cuda}. */
public final class CudaBackendProvider implements BackendProvider {
  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public Availability availability() {
    return Cuda.availability();
  }

  @Override
<<<<<<< HEAD
  public Backend create(int index) {
    return Cuda.backend(index);
=======
  public Backend create(int index) {
    throw new IllegalStateException("the CUDA back end is not available: " + availability());
>>>>>>> 0256780 (Tensors on devices other than the CPU: storage, placement, moving, a device that is none for tests)
  }
}
