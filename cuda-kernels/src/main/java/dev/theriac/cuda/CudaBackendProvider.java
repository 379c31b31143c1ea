package dev.theriac.cuda;

import dev.theriac.backend.Availability;
import dev.theriac.backend.Backend;
import dev.theriac.backend.BackendProvider;

/**
 * The CUDA back end's entry. This version looks at the machine and says what it found; the kernels
 * are not in it, so the back end is never available.
 */
public final class CudaBackendProvider implements BackendProvider {
  private static final class Detected {
    static final Availability ANSWER = CudaDetection.detect(CudaDetection.libraryName());
  }

  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public Availability availability() {
    return Detected.ANSWER;
  }

  @Override
  public Backend create() {
    throw new IllegalStateException("the CUDA back end is not available: " + availability());
  }
}
