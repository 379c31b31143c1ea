package dev.theriac.cuda;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.theriac.cuda.device.CudaDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The device that tests run on: the emulated one, or with theriac.cuda.test=device the machine's.
 */
final class EmulatedCuda {
  private static final Path FOLDER =
      Path.of(System.getProperty("theriac.cuda.emulator", "target/emu"));
  private static boolean loaded;

  private EmulatedCuda() {}

  /** Device 0; where there is none to test on, the test is skipped. */
  static synchronized CudaDevice device() {
    if (!loaded && !System.getProperty("theriac.cuda.test", "").equals("device")) {
      assumeTrue(
          Files.exists(FOLDER.resolve("libcuda.so.1")),
          "no emulated device was built: a C++ compiler is missing");
      configure("CUEMU_KERNELS", FOLDER.resolve("libkernels_host.so").toAbsolutePath().toString());
      // Before the first touch of JCuda: its natives then find these under their names.
      System.load(FOLDER.resolve("libcuda.so.1").toAbsolutePath().toString());
      System.load(FOLDER.resolve("libcublas.so.12").toAbsolutePath().toString());
    }
    loaded = true;
    return CudaDevice.open(0);
  }

  /** Sets a variable of the environment that native code sees. */
  static void configure(String key, String value) {
    Linker linker = Linker.nativeLinker();
    try (Arena arena = Arena.ofConfined()) {
      int code =
          (int)
              linker
                  .downcallHandle(
                      linker.defaultLookup().findOrThrow("setenv"),
                      FunctionDescriptor.of(
                          ValueLayout.JAVA_INT,
                          ValueLayout.ADDRESS,
                          ValueLayout.ADDRESS,
                          ValueLayout.JAVA_INT))
                  .invokeExact(arena.allocateFrom(key), arena.allocateFrom(value), 1);
      if (code != 0) throw new IllegalStateException("setenv " + key + " failed");
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }
}
