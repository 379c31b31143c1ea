package dev.theriac.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Scalar code with one line that says why, wherever vectors would be slower; a JVM for each. */
class VectorSupportTest {
  private static final String MODULE = "--add-modules=jdk.incubator.vector";

  @ParameterizedTest
  @CsvSource({
    "-Xint, the JIT compiler is off (-Xint)",
    "-XX:TieredStopAtLevel=1, the C2 compiler is off (TieredStopAtLevel=1)",
    "-XX:TieredStopAtLevel=3, the C2 compiler is off (TieredStopAtLevel=3)",
    "-XX:CompilationMode=quick-only, the C2 compiler is off"
  })
  void scalarWithOneLine(String option, String reason) throws Exception {
    expectScalar(reason, MODULE, option);
  }

  @Test
  void scalarWithoutTheModule() throws Exception {
    expectScalar("jdk.incubator.vector is not resolved; start java with --add-modules");
  }

  @ParameterizedTest
  @CsvSource({"-XX:UseAVX=0", "-XX:UseAVX=1"})
  void scalarOnX86WithoutAvx2(String option) throws Exception {
    assumeThat(System.getProperty("os.arch")).isIn("amd64", "x86_64");
    expectScalar("allows vectors of 128 bits only; 256 (AVX2) are needed", MODULE, option);
  }

  @ParameterizedTest
  @CsvSource({"-XX:+TieredCompilation", "-XX:-TieredCompilation", "-Dtheriac.vector.bits=128"})
  void vectorsOtherwise(String option) throws Exception {
    assumeThat(Backends.cpu().backend().name()).startsWith("vector-");
    String output = run(List.of(MODULE, option));
    assertThat(output).contains("back end vector-").doesNotContain("scalar");
  }

  @Test
  void askedForByNameItIsAnError() throws Exception {
    String output = run(List.of(MODULE, "-Xint", "-Dtheriac.backend=vector"));
    assertThat(output).contains("theriac.backend=vector, but the JIT compiler is off (-Xint)");
  }

  @Test
  void everyBuildOfHotSpotIsKnown() {
    assertThat(VectorSupport.otherJvm("OpenJDK 64-Bit Server VM")).isNull();
    assertThat(VectorSupport.otherJvm("Java HotSpot(TM) 64-Bit Server VM")).isNull();
    assertThat(VectorSupport.otherJvm("Eclipse OpenJ9 VM")).contains("OpenJ9");
  }

  private static void expectScalar(String reason, String... options) throws Exception {
    String output = run(List.of(options));
    assertThat(output).contains("back end scalar: ", reason);
    assertThat(output.split("slow scalar kernels in use: ", -1)).as(output).hasSize(2);
  }

  private static String run(List<String> options) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.addAll(options);
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add(VectorSupportTest.class.getName());
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    process.waitFor();
    return output;
  }

  /** Runs in the other JVM. */
  public static void main(String[] args) {
    Backends.Choice choice = Backends.cpu();
    Backends.cpu(); // says nothing again
    System.out.println("back end " + choice.backend().name() + ": " + choice.reason());
  }
}
