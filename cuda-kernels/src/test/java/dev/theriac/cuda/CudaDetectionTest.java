package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.theriac.backend.Availability;
import dev.theriac.backend.BackendProvider;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

@EnabledOnOs(OS.LINUX)
class CudaDetectionTest {
  // Loaded libraries stay mapped; on Linux their files can go all the same.
  @TempDir(cleanup = CleanupMode.ALWAYS)
  Path temp;

  @Test
  void isFoundByServiceLoader() {
    assertThat(BackendProvider.all())
        .singleElement()
        .isInstanceOf(CudaBackendProvider.class)
        .extracting(BackendProvider::name)
        .isEqualTo("cuda");
  }

  @Test
  void aMissingDriverIsNamed() {
    assertThat(CudaDetection.detect("libcuda-that-is-nowhere.so.1").toString())
        .contains("no libcuda-that-is-nowhere.so.1 (the NVIDIA driver)", "install its driver");
  }

  @Test
  void aFileThatIsNoLibraryIsNamed() throws IOException {
    Path file = Files.writeString(temp.resolve("libcuda.so.1"), "not a library");
    assertThat(CudaDetection.detect(file.toString()).cause()).contains(file.toString());
  }

  @Test
  void aLibraryWithoutTheDriversFunctionsIsNamed() throws Exception {
    Path other = compile("int something_else(void) { return 0; }", List.of());
    assertThat(CudaDetection.detect(other.toString()).toString())
        .contains("is not a usable CUDA driver", "cuInit", "reinstall");
  }

  @Test
  void devicesAreNamedWithTheirCapability() throws Exception {
    Availability answer = detect(0, 12080, 2);
    assertThat(answer.cause()).isEqualTo("First GPU (sm_86), Second GPU (sm_90)");
    assertThat(answer.available()).isTrue();
  }

  @Test
  void anOldDriverIsToldFromANewOne() throws Exception {
    assertThat(detect(0, 11040, 1).toString())
        .contains("First GPU (sm_86)", "speaks CUDA 11.4, 12.0 is needed", "525");
  }

  @Test
  void aDriverWithoutDevicesIsToldApart() throws Exception {
    assertThat(detect(100, 12000, 0).toString())
        .contains("cuInit failed with CUDA_ERROR_NO_DEVICE (100)", "nvidia-smi");
    assertThat(detect(0, 12000, 0).toString()).contains("sees no GPU", "CUDA_VISIBLE_DEVICES");
  }

  @Test
  void aMismatchedDriverSaysWhatToDo() throws Exception {
    assertThat(detect(803, 12000, 0).toString())
        .contains("CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)", "restart the machine");
  }

  @Test
  void anErrorWithoutANameKeepsItsNumber() throws Exception {
    assertThat(detect(777, 12000, 0).cause())
        .isEqualTo("cuInit failed with an unnamed error (777)");
  }

  private Availability detect(int init, int version, int count) throws Exception {
    String source;
    try (var in = CudaDetectionTest.class.getResourceAsStream("driver_stub.c")) {
      source = new String(in.readAllBytes());
    }
    var macros = List.of("-DINIT=" + init, "-DVERSION=" + version, "-DCOUNT=" + count);
    return CudaDetection.detect(compile(source, macros).toString());
  }

  /** Makes a shared library, or skips the test where there is no C compiler. */
  private Path compile(String source, List<String> options) throws Exception {
    Path folder = Files.createTempDirectory(temp, "library");
    Path library = folder.resolve("libcuda.so.1");
    var command =
        new ArrayList<>(
            List.of("cc", "-shared", "-fPIC", "-Wl,-z,noexecstack", "-o", library.toString()));
    command.addAll(options);
    command.add(Files.writeString(folder.resolve("driver.c"), source).toString());
    Process compiler;
    try {
      compiler = new ProcessBuilder(command).redirectErrorStream(true).start();
    } catch (IOException e) {
      assumeTrue(false, "no C compiler: " + e.getMessage());
      throw e;
    }
    String output = new String(compiler.getInputStream().readAllBytes());
    assertThat(compiler.waitFor()).as(output).isZero();
    return library;
  }
}
