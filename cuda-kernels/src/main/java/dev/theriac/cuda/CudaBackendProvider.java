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
  public Backend create(int index) {
    return Cuda.backend(index);
  }
}
