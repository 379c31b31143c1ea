package dev.theriac.cuda;

import dev.theriac.backend.Availability;
import java.util.ArrayList;
import java.util.List;

/** Finds out what stands between this machine and the CUDA back end, one step after the other. */
final class CudaDetection {
  /** PTX ISA 8.0 came with CUDA 12.0. */
  private static final int OLDEST_VERSION = 12000;

  /** The first with the instructions that the kernels are compiled for. */
  private static final int OLDEST_CAPABILITY = 80;

  private static final int ERROR_NO_DEVICE = 100;
  private static final int ERROR_STUB_LIBRARY = 34;
  private static final int ERROR_SYSTEM_DRIVER_MISMATCH = 803;

  private CudaDetection() {}

  /** What the driver's library is called on this operating system. */
  static String libraryName() {
    return System.getProperty("os.name").startsWith("Windows") ? "nvcuda.dll" : "libcuda.so.1";
  }

  /**
   * Looks for a driver under that name and for devices behind it. Whatever goes wrong is the
   * answer.
   */
  static Availability detect(String libraryName) {
    if (System.getProperty("os.name").startsWith("Mac")) {
      return Availability.missing("CUDA does not exist for macOS", "");
    }
    CudaDriver driver;
    try {
      driver = CudaDriver.load(libraryName);
    } catch (IllegalCallerException e) {
      return Availability.missing(
          "native access is denied to this program",
          "start java with --enable-native-access=ALL-UNNAMED");
    } catch (IllegalArgumentException | LinkageError e) {
      return Availability.missing(
          "no " + libraryName + " (the NVIDIA driver) could be loaded",
          "on a machine with an NVIDIA GPU install its driver; nothing else of CUDA is needed");
    }
    try {
      return describe(driver, libraryName);
    } catch (CudaDriver.DriverException e) {
      return explain(e);
    } catch (RuntimeException | LinkageError e) {
      return Availability.missing(
          libraryName + " is not a usable CUDA driver: " + e.getMessage(),
          "reinstall the NVIDIA driver");
    }
  }

  private static Availability describe(CudaDriver driver, String libraryName)
      throws CudaDriver.DriverException {
    driver.init();
    int version = driver.version();
    int count = driver.deviceCount();
    if (count == 0) return noDevice("the driver sees no GPU");
    List<String> devices = new ArrayList<>();
    int oldest = Integer.MAX_VALUE;
    for (int device = 0; device < count; device++) {
      int capability = driver.computeCapability(device);
      oldest = Math.min(oldest, capability);
      devices.add("%s (sm_%d)".formatted(driver.deviceName(device), capability));
    }
    String found = String.join(", ", devices);
    if (version < OLDEST_VERSION) {
      return Availability.missing(
          "%s: the driver speaks CUDA %d.%d, 12.0 is needed"
              .formatted(found, version / 1000, version % 1000 / 10),
          "update the NVIDIA driver to 525 or later");
    }
    if (oldest < OLDEST_CAPABILITY) {
      return Availability.missing(
          found + ": the kernels need sm_" + OLDEST_CAPABILITY + " (Ampere) or later",
          count == 1 ? "" : "leave older cards out with CUDA_VISIBLE_DEVICES");
    }
    return Availability.of(found);
  }

  private static Availability explain(CudaDriver.DriverException e) {
    return switch (e.code()) {
      case ERROR_NO_DEVICE -> noDevice(e.getMessage());
      case ERROR_STUB_LIBRARY ->
          Availability.missing(
              e.getMessage() + ": the library found is the toolkit's stub, not the driver",
              "take the folder named stubs out of LD_LIBRARY_PATH");
      case ERROR_SYSTEM_DRIVER_MISMATCH ->
          Availability.missing(
              e.getMessage() + ": the library does not match the driver in the kernel",
              "restart the machine, or install the library of the running driver");
      default -> Availability.missing(e.getMessage(), "see whether nvidia-smi works");
    };
  }

  private static Availability noDevice(String cause) {
    return Availability.missing(
        cause,
        "see whether nvidia-smi lists one, CUDA_VISIBLE_DEVICES names it, and a container was given"
            + " it");
  }
}
