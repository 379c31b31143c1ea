package dev.theriac.tensor;

import dev.theriac.backend.Availability;
import dev.theriac.backend.Backend;
import dev.theriac.backend.BackendProvider;
import dev.theriac.backend.Backends;
import dev.theriac.backend.check.PretendBackend;

/** Two devices that are none, for tests; compiled into those of the modules that run on devices. */
public final class PretendProvider implements BackendProvider {
  /** The first of them. */
  public static final Device DEVICE = new Device("test", 0);

  /** The second. */
  public static final Device SECOND = new Device("test", 1);

  /** The back end of {@link #DEVICE}, which counts what is read back. */
  public static PretendBackend backend() {
    return (PretendBackend) Backends.of(DEVICE);
  }

  @Override
  public String name() {
    return "test";
  }

  @Override
  public Availability availability() {
    return Availability.of("two devices that are none");
  }

  @Override
  public Backend create(int index) {
    if (index > 1) throw new IllegalStateException("test: there is no device " + index);
    return new PretendBackend(new Device("test", index), Backends.scalar());
  }

  /** One that this machine lacks. */
  public static final class Absent implements BackendProvider {
    @Override
    public String name() {
      return "absent";
    }

    @Override
    public Availability availability() {
      return Availability.missing("no such card", "buy one");
    }

    @Override
    public Backend create(int index) {
      throw new AssertionError("create() of what is not available");
    }
  }
}
