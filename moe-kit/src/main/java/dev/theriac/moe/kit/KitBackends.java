package dev.theriac.moe.kit;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Assumptions;

/** Names the back ends that a kit tests, and runs its tests on them. */
public interface KitBackends {
  /** Numbers of threads that every test runs with; results may not differ by a bit. */
  List<Integer> THREADS = List.of(1, 2, 7);

  /** The back ends to test. */
  List<Backend> backends();

  /**
   * Runs {@code body} on every CPU back end with every number of threads, in a scope of its own.
   *
   * @param body returns its results, which must have the same bits whatever the number of threads
   * @throws AssertionError naming back end, threads and what went wrong
   */
  default void everywhere(Function<Backend, List<Tensor>> body) {
    int before = Workers.threads();
    try {
      for (Backend backend : backends()) {
        if (!backend.device().equals(Device.CPU)) continue;
        List<float[]> first = null;
        for (int threads : THREADS) {
          Workers.setThreads(threads);
          try {
            List<float[]> found = run(backend, body);
            if (first == null) first = found;
            else Bits.check("with " + threads + " threads and with one", first, found);
          } catch (AssertionError | RuntimeException e) {
            throw new AssertionError(
                "on %s with %d threads: %s".formatted(backend.name(), threads, e.getMessage()), e);
          }
        }
      }
    } finally {
      Workers.setThreads(before);
    }
  }

  private static List<float[]> run(Backend backend, Function<Backend, List<Tensor>> body) {
    return Backends.with(
        backend,
        () -> {
          try (Scope _ = Scope.open()) {
            List<float[]> out = new ArrayList<>();
            for (Tensor t : body.apply(backend)) out.add(t.toFloats());
            return out;
          }
        });
  }

  /** The first back end on another device, or the running test is skipped, saying so. */
  default Backend deviceBackend() {
    for (Backend backend : backends()) {
      if (!backend.device().equals(Device.CPU)) return backend;
    }
    return Assumptions.abort(
        "SKIPPED: needs a back end on a device that is not the CPU; there are "
            + backends().stream().map(Backend::name).toList());
  }

  /**
   * A copy of a host tensor on the device of {@code backend}, for the tests that need a device; run
   * with that back end in use.
   */
  default Tensor place(Backend backend, Tensor host) {
    return host.to(backend.device());
  }

  /** A copy of a device tensor in host memory: the way back of {@link #place}. */
  default Tensor fetch(Backend backend, Tensor onDevice) {
    return onDevice.to(Device.CPU);
  }
}
