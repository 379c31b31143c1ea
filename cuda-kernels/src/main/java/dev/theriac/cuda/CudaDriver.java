package dev.theriac.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * The few calls of the CUDA driver API that tell what there is: {@code cuInit}, {@code
 * cuDriverGetVersion}, {@code cuDeviceGetCount}, {@code cuDeviceGetName}, {@code
 * cuDeviceGetAttribute}, {@code cuGetErrorName}. No context is made.
 */
final class CudaDriver {
  private static final int NAME_BYTES = 256;
  private static final int COMPUTE_CAPABILITY_MAJOR = 75;
  private static final int COMPUTE_CAPABILITY_MINOR = 76;

  private final SymbolLookup library;

  private CudaDriver(SymbolLookup library) {
    this.library = library;
  }

  /** The driver answered with an error code. */
  static final class DriverException extends Exception {
    private static final long serialVersionUID = 1;

    private final int code;

    DriverException(String call, int code, String name) {
      super("%s failed with %s (%d)".formatted(call, name, code));
      this.code = code;
    }

    int code() {
      return code;
    }
  }

  /**
   * Loads the driver library, for the life of the JVM.
   *
   * @throws IllegalArgumentException if there is none, or it cannot be loaded
   */
  static CudaDriver load(String libraryName) {
    return new CudaDriver(SymbolLookup.libraryLookup(libraryName, Arena.global()));
  }

  void init() throws DriverException {
    call("cuInit", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT), 0);
  }

  /** The newest CUDA version that the driver speaks, as 1000 x major + 10 x minor. */
  int version() throws DriverException {
    return readInt("cuDriverGetVersion");
  }

  int deviceCount() throws DriverException {
    return readInt("cuDeviceGetCount");
  }

  /** Such as {@code NVIDIA H100 80GB HBM3}. */
  String deviceName(int device) throws DriverException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment name = arena.allocate(NAME_BYTES);
      call(
          "cuDeviceGetName",
          FunctionDescriptor.of(
              ValueLayout.JAVA_INT,
              ValueLayout.ADDRESS,
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_INT),
          name,
          NAME_BYTES,
          device);
      return name.getString(0);
    }
  }

  /** The compute capability as in {@code sm_90}: 10 x major + minor. */
  int computeCapability(int device) throws DriverException {
    return 10 * attribute(COMPUTE_CAPABILITY_MAJOR, device)
        + attribute(COMPUTE_CAPABILITY_MINOR, device);
  }

  private int attribute(int attribute, int device) throws DriverException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocate(ValueLayout.JAVA_INT);
      call(
          "cuDeviceGetAttribute",
          FunctionDescriptor.of(
              ValueLayout.JAVA_INT,
              ValueLayout.ADDRESS,
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_INT),
          value,
          attribute,
          device);
      return value.get(ValueLayout.JAVA_INT, 0);
    }
  }

  private int readInt(String function) throws DriverException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocate(ValueLayout.JAVA_INT);
      call(function, FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS), value);
      return value.get(ValueLayout.JAVA_INT, 0);
    }
  }

  private void call(String function, FunctionDescriptor type, Object... arguments)
      throws DriverException {
    int status = invoke(function, type, arguments);
    if (status != 0) throw new DriverException(function, status, errorName(status));
  }

  private int invoke(String function, FunctionDescriptor type, Object... arguments) {
    MemorySegment address =
        library
            .find(function)
            .orElseThrow(() -> new IllegalArgumentException("the library has no " + function));
    MethodHandle handle = Linker.nativeLinker().downcallHandle(address, type);
    try {
      return (int) handle.invokeWithArguments(arguments);
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(function + " could not be called", e);
    }
  }

  /** The driver's own name of an error, such as {@code CUDA_ERROR_NO_DEVICE}. */
  private String errorName(int status) {
    if (library.find("cuGetErrorName").isEmpty()) return "an unnamed error";
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment text = arena.allocate(ValueLayout.ADDRESS);
      var type =
          FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.ADDRESS);
      if (invoke("cuGetErrorName", type, status, text) != 0) return "an unnamed error";
      return text.get(ValueLayout.ADDRESS, 0).reinterpret(NAME_BYTES).getString(0);
    }
  }
}
