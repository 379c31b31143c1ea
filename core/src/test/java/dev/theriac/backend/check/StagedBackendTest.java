package dev.theriac.backend.check;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.tensor.Device;
import org.junit.jupiter.api.Test;

class StagedBackendTest {
  /** There and back, through a device whose memory nobody else can reach. */
  @Test
  void everyCheckRunsOnADevicesKernels() {
    PretendBackend device = new PretendBackend(new Device("staged", 0), Backends.scalar());
    Backend staged = StagedBackend.of(device);
    assertThat(staged.device()).isEqualTo(Device.CPU);
    assertThat(staged.name()).isEqualTo("pretend-scalar");
    for (KernelCheck check : KernelCheck.all()) {
      assertThat(check.apart(staged, Backends.scalar(), 3)).as(check.name()).isZero();
    }
    assertThat(device.blocks()).isZero();
    assertThat(device.downloads()).isPositive();
  }
}
