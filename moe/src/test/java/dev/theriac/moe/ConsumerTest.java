package dev.theriac.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import example.ConsumerProgram;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A program that depends on theriac-moe and knows nothing of the flags that this build passes. */
class ConsumerTest {
  private static final String FLAG = "--add-modules jdk.incubator.vector";

  @TempDir Path temp;

  @Test
  void withoutTheFlagScalarCodeRunsAndOneWarningNamesIt() throws Exception {
    Run run = run(List.of());
    assertThat(run.lines("backend")).as(run.toString()).containsExactly("scalar");
    assertThat(run.err().lines().filter(line -> line.contains(FLAG))).as(run.err()).hasSize(1);
    assertThat(ourWarnings(run.err())).as(run.err()).hasSize(1);
    fitted(run);
  }

  @Test
  void withTheFlagNobodyWarns() throws Exception {
    Run run =
        run(List.of("--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"));
    assertThat(run.err()).doesNotContain(FLAG).doesNotContain("slow");
    fitted(run);
  }

  /**
   * Warnings logged by this project's classes; the JVM and other libraries add lines of their own.
   */
  private static List<String> ourWarnings(String err) {
    List<String> lines = err.lines().toList();
    return IntStream.range(1, lines.size())
        .filter(i -> lines.get(i).startsWith("WARNING:"))
        .filter(i -> lines.get(i - 1).matches("(?!WARNING:).* dev\\.theriac\\..*"))
        .mapToObj(lines::get)
        .toList();
  }

  private static void fitted(Run run) {
    assertThat(run.number("first", 0)).isGreaterThan(1);
    assertThat(run.number("last", 0)).isLessThan(1e-6);
    assertThat(run.number("weight", 0)).isCloseTo(2, within(1e-3));
    assertThat(run.number("weight", 1)).isCloseTo(-3, within(1e-3));
    assertThat(run.number("bias", 0)).isCloseTo(1, within(1e-3));
    assertThat(run.lines("answer")).as("a Med-MoE trained and asked").hasSize(1);
  }

  private Run run(List<String> flags) throws Exception {
    Path out = temp.resolve("out");
    Path err = temp.resolve("err");
    var command = new ArrayList<String>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(flags);
    command.addAll(List.of("-cp", classPath(), ConsumerProgram.class.getName()));
    var builder = new ProcessBuilder(command);
    // Options from the environment would defeat the point.
    builder.environment().keySet().removeAll(List.of("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"));
    Process process = builder.redirectOutput(out.toFile()).redirectError(err.toFile()).start();
    boolean ended = process.waitFor(120, TimeUnit.SECONDS);
    process.destroyForcibly();
    var run = new Run(Files.readString(out), Files.readString(err));
    assertThat(ended).as("ended within two minutes: %s", run).isTrue();
    assertThat(process.exitValue()).as(run.toString()).isZero();
    return run;
  }

  /**
   * This test's class path without the test libraries; surefire may hide it behind one manifest
   * jar.
   */
  private static String classPath() {
    String all =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    return String.join(
        File.pathSeparator,
        Arrays.stream(all.split(File.pathSeparator))
            .filter(
                entry -> !entry.matches(".*(junit|assertj|surefire|opentest4j|byte-buddy).*jar"))
            .toList());
  }

  private record Run(String out, String err) {
    List<String> lines(String key) {
      return out.lines()
          .filter(l -> l.startsWith(key + " "))
          .map(l -> l.substring(key.length() + 1))
          .toList();
    }

    double number(String key, int index) {
      return Double.parseDouble(lines(key).getFirst().split(" ")[index]);
    }
  }
}
