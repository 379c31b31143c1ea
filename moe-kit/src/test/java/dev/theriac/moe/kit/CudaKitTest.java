package dev.theriac.moe.kit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.theriac.backend.Backend;
import dev.theriac.backend.BackendProvider;
import dev.theriac.backend.Backends;
import dev.theriac.tensor.Device;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;

/** The kit on a GPU, or on the emulated device that the build of theriac-cuda leaves. */
class CudaKitTest implements MoeKit {
  private static final Device DEVICE = new Device("cuda", 0);

  private static boolean available() {
    return BackendProvider.all().stream()
        .anyMatch(p -> p.name().equals("cuda") && p.availability().available());
  }

  @BeforeEach
  void aDevice() {
    boolean there = available();
    assertThat(there || System.getenv("CI") == null)
        .as("continuous integration has the emulated device")
        .isTrue();
    assumeTrue(there, "no CUDA device, and none emulated");
  }

  @Override
  public List<Backend> backends() {
    return List.of(Backends.of(DEVICE));
  }
}
