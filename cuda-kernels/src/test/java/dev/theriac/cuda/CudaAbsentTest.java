package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.theriac.cuda.device.CudaBlas;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.Strided;
import java.io.File;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** What a program meets where something is missing: an answer with a remedy, never an error. */
@EnabledOnOs(OS.LINUX)
class CudaAbsentTest {
  private static final Path EMULATOR =
      Path.of(System.getProperty("theriac.cuda.emulator", "target/emu")).toAbsolutePath();

  @TempDir Path temp;

  /** What the forked JVM runs. */
  static final class Probe {
    public static void main(String[] args) {
      System.out.println(Cuda.isAvailable() + " " + Cuda.availability());
      System.out.println(Cuda.unavailabilityCause().isEmpty());
      try {
        System.out.println(Cuda.backend(7).name());
      } catch (IllegalStateException e) {
        System.out.println("refused: " + e.getMessage());
      }
    }
  }

  /** A product with whatever multiplies here. */
  static final class BlasProbe {
    public static void main(String[] args) {
      CudaDevice device = CudaDevice.open(0);
      System.out.println(CudaBlas.of(device).availability());
      try (Matrices make = new Matrices(3)) {
        Strided c = make.unwritten(2, 5);
        StagedBackend.of(new CudaBackend(device), device)
            .matmul()
            .matmul(make.filled(2, 2, 3), make.filled(4, 3, 5), null, c, false);
        System.out.println(Arrays.toString(Matrices.values(c)));
        System.out.println("by " + device.lastKernel());
      }
    }
  }

  private static final String PRODUCT =
      "[24.0, 24.0, 24.0, 24.0, 24.0, 24.0, 24.0, 24.0, 24.0, 24.0]";

  @Test
  void multipliesWithCublas() throws Exception {
    assertThat(run(BlasProbe.class, Map.of(), List.of(), ""))
        .contains("cuBLAS 12.6", PRODUCT, "by cublasGemmEx");
  }

  @Test
  void multipliesWithoutJCublas() throws Exception {
    assertThat(run(BlasProbe.class, Map.of(), List.of(), "/jcublas-natives"))
        .contains("no cuBLAS could be loaded", "libJCublas2-12.6.0", "install libcublas")
        .contains(PRODUCT, "by matmul_f32");
    assertThat(run(BlasProbe.class, Map.of(), List.of(), "/jcublas"))
        .contains("no cuBLAS could be loaded", PRODUCT, "by matmul_f32");
  }

  @Test
  void multipliesWithoutCublas() throws Exception {
    Path driver = Files.createDirectory(temp.resolve("driver"));
    Files.copy(EMULATOR.resolve("libcuda.so.1"), driver.resolve("libcuda.so.1"));
    assumeTrue(systemHasNoCublas(), "this machine has cuBLAS");
    assertThat(run(BlasProbe.class, Map.of("LD_LIBRARY_PATH", driver.toString()), List.of(), ""))
        .contains("no cuBLAS could be loaded", "libcublas.so.12", "install libcublas")
        .contains(PRODUCT, "by matmul_f32");
  }

  private static boolean systemHasNoCublas() {
    try (Arena arena = Arena.ofConfined()) {
      return SymbolLookup.libraryLookup("libcublas.so.12", arena) == null;
    } catch (IllegalArgumentException e) {
      return true;
    }
  }

  @Test
  void multipliesWithCublasTurnedOff() throws Exception {
    assertThat(run(BlasProbe.class, Map.of(), List.of("-Dtheriac.cuda.blas=off"), ""))
        .contains("cuBLAS is turned off by theriac.cuda.blas=off", PRODUCT, "by matmul_f32");
  }

  @Test
  void worksWithEverything() throws Exception {
    assertThat(run(Map.of(), List.of(), ""))
        .contains("true ", "(sm_80)", "refused: no device cuda:7; there is one");
  }

  @Test
  void saysThatThereIsNoDriver() throws Exception {
    assumeTrue(!Files.exists(Path.of("/proc/driver/nvidia")), "this machine has a driver");
    assertThat(run(null, List.of(), ""))
        .contains("false no libcuda.so.1 (the NVIDIA driver) could be loaded", "install its driver")
        .contains("refused: the CUDA back end is not available: no libcuda.so.1");
  }

  @Test
  void saysThatThereIsNoDevice() throws Exception {
    assertThat(run(Map.of("CUEMU_INIT", "100"), List.of(), ""))
        .contains("false cuInit failed with CUDA_ERROR", "(100)", "nvidia-smi");
  }

  @Test
  void saysThatJCudaIsMissing() throws Exception {
    assertThat(run(Map.of(), List.of(), "/jcuda-12")).contains("false ", "JCuda cannot be loaded");
  }

  @Test
  void saysThatJCudasNativesAreMissing() throws Exception {
    assertThat(run(Map.of(), List.of(), "/jcuda-natives"))
        .contains("false ", "no /lib/libJCudaDriver-12.6.0-linux-x86_64.so on the class path");
  }

  @Test
  void saysThatNativeAccessIsDenied() throws Exception {
    assertThat(run(Map.of(), List.of("--illegal-native-access=deny"), ""))
        .contains("false native access is denied", "--enable-native-access=ALL-UNNAMED");
  }

  @Test
  void saysThatThereIsNoPlaceForNatives() throws Exception {
    assertThat(run(Map.of(), List.of("-Djava.io.tmpdir=" + temp.resolve("nowhere")), ""))
        .contains("false ", "cannot be written", "-Djava.io.tmpdir");
  }

  /**
   * @param environment more variables; null for no emulated driver
   * @param options of the JVM
   * @param without part of the path of jars to leave out; empty for none
   */
  private String run(Map<String, String> environment, List<String> options, String without)
      throws Exception {
    return run(Probe.class, environment, options, without);
  }

  private String run(
      Class<?> program, Map<String, String> environment, List<String> options, String without)
      throws Exception {
    assumeTrue(Files.exists(EMULATOR.resolve("libcuda.so.1")), "no emulated device was built");
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    if (options.stream().noneMatch(o -> o.contains("native-access"))) {
      command.add("--enable-native-access=ALL-UNNAMED");
    }
    command.add("-Djava.io.tmpdir=" + temp);
    command.addAll(options);
    String path =
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
            .filter(jar -> without.isEmpty() || !jar.contains(without))
            .collect(Collectors.joining(File.pathSeparator));
    command.addAll(List.of("-cp", path, program.getName()));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    if (environment != null) {
      builder.environment().put("LD_LIBRARY_PATH", EMULATOR.toString());
      builder.environment().put("CUEMU_KERNELS", EMULATOR.resolve("libkernels_host.so").toString());
      builder.environment().putAll(environment);
    }
    Process child = builder.start();
    String output = new String(child.getInputStream().readAllBytes());
    assertThat(child.waitFor(5, TimeUnit.MINUTES)).isTrue();
    assertThat(child.exitValue()).as(output).isZero();
    assertThat(output).doesNotContain("Exception in thread");
    return output;
  }
}
