package dev.theriac.cuda;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.theriac.cuda.device.CudaDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The device that tests run on: the emulated one, or with theriac.cuda.test=device the machine's.
 */
final class EmulatedCuda {
  private static final Path FOLDER =
      Path.of(System.getProperty("theriac.cuda.emulator", "target/emu")).toAbsolutePath();
  private static boolean loaded;

  private EmulatedCuda() {}

  /** A library that native/build.sh made. */
  static Path library(String name) {
    return FOLDER.resolve(name);
  }

  /** Was the emulated device built, on a system that JCuda exists for? */
  static boolean isBuilt() {
    String processor = System.getProperty("os.arch");
    return processor.equals("amd64") && Files.exists(library("libcuda.so.1"));
  }

  /** Do tests run on the emulated device? Then its settings can be changed. */
  static boolean isUsed() {
    return !System.getProperty("theriac.cuda.test", "").equals("device");
  }

  /** The order of threads and the mode of copies that this JVM was started with. */
  static final String SCHEDULE = System.getenv().getOrDefault("CUEMU_SCHED", "fwd");

  static final String COPIES = System.getenv().getOrDefault("CUEMU_CPASYNC", "late");

  /** Loads the emulated driver and cuBLAS, or skips the test where they were not built. */
  static synchronized void load() {
    if (loaded || !isUsed()) return;
    assumeTrue(isBuilt(), "no emulated device was built: a C++ compiler is missing");
    // Before the first touch of JCuda: its natives then find these under their names.
    System.load(library("libcuda.so.1").toString());
    System.load(library("libcublas.so.12").toString());
    loaded = true;
    configure("kernels", library("libkernels_host.so").toString());
  }

  /** Device 0; where there is none to test on, the test is skipped. */
  static CudaDevice device() {
    load();
    return CudaDevice.open(0);
  }

  /**
   * Changes a setting of the emulated device from now on: {@code schedule} (fwd, rev, rand:SEED),
   * {@code cpasync} (early, late), {@code async} (0, 1), {@code memory} (bytes) and the others that
   * native/emu/driver/settings.cpp lists, also by their CUEMU_ names.
   */
  static void configure(String key, String value) {
    // A card has no settings: what is repeated under others is repeated as it is.
    if (!isUsed()) return;
    load();
    try (Arena arena = Arena.ofConfined()) {
      var type =
          FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS);
      int code =
          (int)
              Linker.nativeLinker()
                  .downcallHandle(driver().findOrThrow("cuemu_configure"), type)
                  .invokeExact(arena.allocateFrom(key), arena.allocateFrom(value));
      if (code != 0) throw new IllegalArgumentException("no setting " + key + "=" + value);
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  /** All settings as the environment has them. */
  static void restore() {
    try {
      Linker.nativeLinker()
          .downcallHandle(driver().findOrThrow("cuemu_restore"), FunctionDescriptor.ofVoid())
          .invokeExact();
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  private static SymbolLookup driver() {
    return SymbolLookup.libraryLookup(library("libcuda.so.1"), Arena.global());
  }
}
