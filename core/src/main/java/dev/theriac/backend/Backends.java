package dev.theriac.backend;

import dev.theriac.backend.scalar.ScalarBackend;
import dev.theriac.tensor.Device;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.regex.Pattern;

/**
 * Chooses the back end, once: vector code where the JVM can run it well, scalar code otherwise with
 * one warning that names the remedy. {@code theriac.backend} = auto (default), scalar, or vector
 * (then a reason not to use vectors is an error).
 */
public final class Backends {
  private static final System.Logger LOG = System.getLogger("dev.theriac.backend");
  private static final ScopedValue<Backend> OVERRIDE = ScopedValue.newInstance();
  private static final Map<Device, Backend> PROVIDED = new ConcurrentHashMap<>();
  private static final String VECTOR = "dev.theriac.backend.vector.VectorBackend";

  /** Some three hundred million BF16 weights: a picture or a prompt takes seconds with those. */
  private static final long PREPARED_BYTES = 600_000_000;

  /** Names of files of weights. */
  private static final Pattern WEIGHTS = Pattern.compile(".+\\.(safetensors|bin|pth|pt)");

  private Backends() {}

  private static final class Default {
    static final Choice CHOICE = choose(System.getProperty("theriac.backend", "auto"));
  }

  /**
   * The CPU back end in use and, when it is not the vector one, why.
   *
   * @param backend what runs
   * @param reason empty when vectors are in use
   */
  public record Choice(Backend backend, String reason) {}

  /** The CPU back end of this JVM and why it was taken. */
  public static Choice cpu() {
    return Default.CHOICE;
  }

  /**
   * The back end for tensors on {@code device}: of another device than the CPU that of the {@link
   * BackendProvider} of its name, made when it is first asked for.
   *
   * @throws IllegalStateException when there is none, or it cannot be used; says why
   */
  public static Backend of(Device device) {
    if (OVERRIDE.isBound() && OVERRIDE.get().device().equals(device)) return OVERRIDE.get();
    if (device.equals(Device.CPU)) return Default.CHOICE.backend;
    Backend known = PROVIDED.get(device);
    return known != null ? known : provided(device);
  }

  /** One at a time, so that none is made twice. */
  private static synchronized Backend provided(Device device) {
    Backend known = PROVIDED.get(device);
    if (known != null) return known;
    for (BackendProvider provider : BackendProvider.all()) {
      if (!provider.name().equals(device.type())) continue;
      Availability answer = provider.availability();
      if (!answer.available()) throw none(device, answer.toString());
      Backend made = provider.create(device.index());
      PROVIDED.put(device, made);
      return made;
    }
    String jar = "add the jar that has it (theriac-%s) to the class path".formatted(device.type());
    throw none(device, device.type().equals("cpu") ? "the CPU is cpu:0" : jar);
  }

  private static IllegalStateException none(Device device, String why) {
    return new IllegalStateException("no back end for device " + device + ": " + why);
  }

  /** Runs {@code body} with another back end for its device on this thread. */
  public static <T> T with(Backend backend, Supplier<T> body) {
    return ScopedValue.where(OVERRIDE, backend).call(body::get);
  }

  /**
   * Calls {@link Backend#prepare} of the CPU's where a directory holds weights so large that
   * computing with them takes longer than the compiler needs: to be called by who reads a model,
   * before anything else that takes time. A small one is done sooner if it does not have to share
   * the processor.
   *
   * @param directory of the model; one that cannot be read holds nothing
   */
  public static void prepareFor(Path directory) {
    if (bytes(directory) >= PREPARED_BYTES) of(Device.CPU).prepare();
  }

  private static long bytes(Path directory) {
    long bytes = 0;
    try (DirectoryStream<Path> files = Files.newDirectoryStream(directory)) {
      for (Path file : files) {
        if (WEIGHTS.matcher(file.getFileName().toString()).matches()) bytes += size(file);
      }
    } catch (IOException | DirectoryIteratorException e) {
      // The reader says what is the matter, and names the file.
      return 0;
    }
    return bytes;
  }

  private static long size(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      return 0; // a link to nothing; the others count
    }
  }

  /** The scalar back end: plain loops, the oracle of every other. */
  public static Backend scalar() {
    return ScalarBackend.INSTANCE;
  }

  private static Choice choose(String wanted) {
    if (!wanted.equals("auto") && !wanted.equals("scalar") && !wanted.equals("vector")) {
      throw new IllegalArgumentException(
          "theriac.backend=%s is not one of auto, scalar, vector".formatted(wanted));
    }
    if (wanted.equals("scalar")) {
      return new Choice(ScalarBackend.INSTANCE, "theriac.backend=scalar");
    }
    String reason = VectorSupport.missing();
    Throwable cause = null;
    if (reason == null) {
      try {
        return new Choice(
            (Backend) Class.forName(VECTOR).getDeclaredConstructor().newInstance(), "");
      } catch (InvocationTargetException e) {
        cause = e.getCause();
      } catch (ReflectiveOperationException | LinkageError e) {
        cause = e;
      }
      reason = "the vector back end failed to load: " + cause;
    }
    if (wanted.equals("vector")) {
      throw new IllegalStateException("theriac.backend=vector, but " + reason, cause);
    }
    LOG.log(System.Logger.Level.WARNING, "slow scalar kernels in use: " + reason);
    return new Choice(ScalarBackend.INSTANCE, reason);
  }
}
