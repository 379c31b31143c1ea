package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.theriac.io.Weights;
import dev.theriac.tensor.Scope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** A whole Med-MoE, its three stages and its answers, on the emulated GPU. */
class CudaCommandTest extends TrainedFixture {
  private static final Path EMULATOR =
      Path.of("..", "cuda-kernels", "target", "emu").toAbsolutePath().normalize();

  /**
   * Of weights after ten steps of the optimiser, relative to the largest of each tensor; found:
   * 1.9e-6.
   */
  private static final double TOLERANCE = 2e-5;

  @BeforeAll
  static void anEmulatedDevice() {
    boolean built = Files.exists(EMULATOR.resolve("libcuda.so.1"));
    assertThat(built || System.getenv("CI") == null)
        .as("no emulated device in %s", EMULATOR)
        .isTrue();
    assumeTrue(built, "no emulated device was built: a C++ compiler is missing");
  }

  /** In a JVM of its own: the driver must be there before anybody looks for one. */
  private static String emulated(String... args) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of(
            "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "-Djava.awt.headless=true",
            "-Djava.io.tmpdir=" + folder,
            "-cp",
            System.getProperty("java.class.path"),
            Main.class.getName()));
    command.addAll(List.of(args));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("LD_LIBRARY_PATH", EMULATOR.toString());
    builder.environment().put("CUEMU_KERNELS", EMULATOR.resolve("libkernels_host.so").toString());
    Process child = builder.start();
    String output = new String(child.getInputStream().readAllBytes());
    assertThat(child.waitFor()).as(output).isZero();
    return output;
  }

  @Test
  void trainsAsTheCpuDoes() throws Exception {
    Path first = folder.resolve("cuda");
    Path second = folder.resolve("cuda again");
    String output =
        emulated(
            "train", config.toString(), "--seed", "7", "--out", "" + first, "--device", "cuda");
    assertThat(output).containsPattern("device cuda:0");
    emulated("train", config.toString(), "--seed", "7", "--out", "" + second, "--device", "cuda");
    String file = "model/model.safetensors";
    assertThat(second.resolve(file)).hasSameBinaryContentAs(first.resolve(file));
    Weights found = Weights.open(first.resolve("model"));
    Weights wanted = Weights.open(run.resolve("model"));
    try (Scope _ = Scope.open()) {
      assertThat(found.keys()).isEqualTo(wanted.keys());
      for (String name : wanted.keys()) {
        // A bias of all keys changes no softmax: its gradient is rounding and nothing else.
        if (name.endsWith("k_proj.bias")) continue;
        float[] a = found.get(name).toFloats();
        float[] b = wanted.get(name).toFloats();
        double size = 0;
        double apart = 0;
        for (int i = 0; i < b.length; i++) {
          size = Math.max(size, Math.abs(b[i]));
          double difference = Math.abs(a[i] - (double) b[i]);
          apart = difference <= apart ? apart : difference;
        }
        assertThat(apart).as(name).isLessThanOrEqualTo(TOLERANCE * size);
      }
    }
  }

  @Test
  void answersAsTheCpuDoes() throws Exception {
    String image = picture("cuda.png", phantom());
    String[] args = {"ask", "-q", "--model", "" + model(), "--image", image, "Is this CT?"};
    Ran here = theriac(args);
    List<String> there = new ArrayList<>(List.of(args));
    there.addAll(List.of("--device", "cuda"));
    assertThat(emulated(there.toArray(String[]::new))).endsWith(here.out());
  }

  @Test
  void theDoctorExaminesIt() throws Exception {
    assertThat(emulated("doctor", "--quick"))
        .containsPattern("cuda back end +.*sm_80")
        .containsPattern("CUDA kernels +[0-9]+ loaded; none has ever run on a card")
        .containsPattern("CUDA missing +no quantised kernels")
        .containsPattern("self-check +5[0-9] kernels, .*agree.*are missing");
  }
}
