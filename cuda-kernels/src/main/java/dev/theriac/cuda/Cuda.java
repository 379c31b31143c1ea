package dev.theriac.cuda;

import dev.theriac.backend.Availability;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.cuda.device.CudaException;
import dev.theriac.tensor.DeviceBlock;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Whether this machine has what the CUDA back end needs: found out once, by looking for the driver
 * and its devices, then by running a kernel. Nothing here throws a {@link LinkageError}, whatever
 * is missing. Thread-safe.
 */
public final class Cuda {
  private Cuda() {}

  private static final class Detected {
    static final Availability ANSWER = detect();
  }

  /** Whether tensors can be moved to {@code new Device("cuda", 0)}. */
  public static boolean isAvailable() {
    return availability().available();
  }

  /** What is in the way and what would help; empty where nothing is. */
  public static String unavailabilityCause() {
    return isAvailable() ? "" : availability().toString();
  }

  /** The devices found, or what is in the way. */
  public static Availability availability() {
    return Detected.ANSWER;
  }

  /**
   * The back end of a device.
   *
   * @throws IllegalStateException if CUDA is not available or there is no such device
   */
  public static CudaBackend backend(int index) {
    if (!isAvailable()) {
      throw new IllegalStateException(
          "the CUDA back end is not available: " + unavailabilityCause());
    }
    int count = CudaDevice.count();
    if (index < 0 || index >= count) {
      throw new IllegalStateException(
          "no device cuda:%d; there %s".formatted(index, count == 1 ? "is one" : "are " + count));
    }
    try {
      return new CudaBackend(CudaDevice.open(index));
    } catch (CudaException e) {
      throw new IllegalStateException(
          "cuda:%d cannot be used: %s; see whether nvidia-smi shows another program on it"
              .formatted(index, e.getMessage()),
          e);
    }
  }

  private static Availability detect() {
    Availability found = CudaDetection.detect(CudaDetection.libraryName());
    return found.available() ? proven(found) : found;
  }

  /** Opens the first device and lets it compute something. */
  static Availability proven(Availability found) {
    try {
      String wrong = firstKernel(CudaDevice.open(0));
      return wrong.isEmpty()
          ? found
          : Availability.missing(
              found.cause() + ": " + wrong, "see whether other CUDA programs work here");
    } catch (LinkageError e) {
      return Availability.missing(
          found.cause() + ": JCuda cannot be loaded: " + e.getMessage(),
          "start java with --enable-native-access=ALL-UNNAMED and a java.io.tmpdir from which"
              + " libraries may be loaded");
    } catch (RuntimeException e) {
      return Availability.missing(
          found.cause() + ": " + e.getMessage(), "see whether nvidia-smi works");
    }
  }

  private static String firstKernel(CudaDevice device) {
    int count = 1000;
    DeviceBlock block = device.allocate(4 * count, "first kernel");
    try (Arena arena = Arena.ofConfined()) {
      device
          .kernel("elementwise_fill_f32")
          .grid((count + 255) / 256)
          .block(256)
          .pointer(block.address())
          .longs(count)
          .floats(count)
          .run();
      MemorySegment back = arena.allocate(4 * count, 4);
      block.copyToHost(0, back.address(), 4 * count);
      for (int i = 0; i < count; i++) {
        float value = back.getAtIndex(ValueLayout.JAVA_FLOAT, i);
        if (value != count) return "the first kernel gave %s instead of %d".formatted(value, count);
      }
      return "";
    } finally {
      block.release();
    }
  }
}
