package dev.theriac.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backends;
import java.util.List;
import java.util.function.Function;

/** Compares the host with a device that is none, whose kernels are the host's scalar ones. */
public final class SameBits {
  private SameBits() {}

  /**
   * Runs {@code body} for the CPU and for {@link PretendProvider#DEVICE} and holds the results
   * against each other, to the bit.
   */
  public static void of(Function<Device, List<float[]>> body) {
    List<float[]> wanted = on(Device.CPU, body);
    List<float[]> found = on(PretendProvider.DEVICE, body);
    assertThat(wanted).isNotEmpty();
    assertThat(found).hasSameSizeAs(wanted);
    for (int i = 0; i < found.size(); i++) {
      assertThat(found.get(i)).as("result %d", i).isEqualTo(wanted.get(i));
    }
  }

  private static List<float[]> on(Device device, Function<Device, List<float[]>> body) {
    return Backends.with(
        Backends.scalar(),
        () -> {
          try (Scope _ = Scope.open()) {
            return body.apply(device);
          }
        });
  }
}
