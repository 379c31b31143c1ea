package dev.theriac.moe.kit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.check.PretendBackend;
import dev.theriac.moe.kit.Qualification.Outcome;
import dev.theriac.moe.kit.Qualification.Report;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Tensor;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The tests for devices, on one that is none. */
class DeviceTest {
  private static final Set<String> FOR_DEVICES = Set.of("D06", "K16");

  private static final Backend DEVICE =
      new PretendBackend(new Device("pretended", 0), Backends.scalar());

  /** Counts what it moves, and may bring results back slightly wrong. */
  private static final class Kit implements MoeKit {
    private final double error;
    private int placed;
    private int fetched;

    Kit(double error) {
      this.error = error;
    }

    @Override
    public List<Backend> backends() {
      return List.of(Backends.scalar(), DEVICE);
    }

    @Override
    public Tensor place(Backend backend, Tensor host) {
      placed++;
      return MoeKit.super.place(backend, host);
    }

    @Override
    public Tensor fetch(Backend backend, Tensor onDevice) {
      fetched++;
      Tensor host = MoeKit.super.fetch(backend, onDevice.detach());
      return host.dtype().isFloating() ? host.mul(1 + error) : host;
    }
  }

  @Test
  void aGoodDevicePasses() {
    Kit kit = new Kit(0);
    Report report = Qualification.run(kit, FOR_DEVICES::contains, _ -> {});
    assertThat(report.count(Outcome.PASSED)).as("%s", report).isEqualTo(2);
    assertThat(kit.placed).as("inputs, weights, ids, gradients, and scores").isGreaterThan(10);
    assertThat(kit.fetched).isGreaterThan(10);
  }

  @Test
  void aWrongDeviceFails() {
    Report report = Qualification.run(new Kit(1e-3), "D06"::equals, _ -> {});
    assertThat(report.passed()).isFalse();
  }

  @Test
  void aKitNeedsNothingButTheBackEnd() {
    Report report = Qualification.run(() -> List.of(DEVICE), FOR_DEVICES::contains, _ -> {});
    assertThat(report.count(Outcome.PASSED)).as("%s", report).isEqualTo(2);
  }
}
