package dev.theriac.backend;

import java.util.ArrayList;
import java.util.List;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;

/**
 * A back end in a jar of its own, found by {@link ServiceLoader}. The CPU back ends need none: they
 * are always there. Implementations are thread-safe.
 */
public interface BackendProvider {
  /** The type of its devices, as in {@link dev.theriac.tensor.Device#type()}: "cuda". */
  String name();

  /**
   * Whether this machine has what the back end needs. Never throws and never links eagerly against
   * a native library: whatever is missing is an answer, found out once and remembered.
   */
  Availability availability();

  /**
   * The back end of one device. {@link Backends#of} asks once for each and keeps it.
   *
   * @param index ordinal of the device, as in {@link dev.theriac.tensor.Device#index()}
   * @throws IllegalStateException if it is not available, or there is no such device, with cause
   *     and remedy
   */
  Backend create(int index);

  /** Every provider on the class path; one that cannot even be loaded is logged and left out. */
  static List<BackendProvider> all() {
    var found = new ArrayList<BackendProvider>();
    var services =
        ServiceLoader.load(BackendProvider.class, BackendProvider.class.getClassLoader())
            .iterator();
    while (true) {
      try {
        if (!services.hasNext()) return List.copyOf(found);
        found.add(services.next());
      } catch (ServiceConfigurationError | LinkageError e) {
        System.getLogger("dev.theriac.backend")
            .log(System.Logger.Level.WARNING, "a back end provider was left out: " + e, e);
      }
    }
  }
}
