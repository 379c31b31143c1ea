package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.SoftmaxKernels;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.Proxy;
import java.util.Map;
import org.junit.jupiter.api.Test;

class MainTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private int run(String... args) {
    return Main.run(new PrintWriter(out), new PrintWriter(err), args);
  }

  @Test
  void versionNamesTheBuildAndTheJava() {
    assertThat(run("--version")).isZero();
    assertThat(out.toString()).matches("(?s)theriac \\d+\\.\\d+\\.\\d+\\S*, Java 25.*");
    assertThat(err.toString()).isEmpty();
  }

  @Test
  void aMissingCommandIsAUsageError() {
    assertThat(run()).isEqualTo(2);
    assertThat(out.toString()).isEmpty();
    assertThat(err.toString()).contains("Name a command.", "Usage: theriac");
  }

  @Test
  void anUnknownOptionIsNamed() {
    assertThat(run("--quite")).isEqualTo(2);
    assertThat(err.toString()).contains("--quite", "--quiet");
  }

  @Test
  void doctorSaysWhatRunsAndWhatDoesNot() {
    assertThat(run("doctor")).isZero();
    assertThat(out.toString())
        .containsPattern("self-check +\\d+ kernels, \\d+ checks: agree with scalar code")
        .containsPattern("vectors +\\d+ bits")
        .containsPattern("large kernels +in use")
        .containsPattern("matrix product +tiles of")
        .containsPattern("few rows +(kernels of their own up to|no kernels of their own)")
        .containsPattern("packed weights +tiles of")
        .containsPattern("few columns +from \\d+ rows and up to \\d+ columns")
        .containsPattern("attention +tiles of")
        .containsPattern("quantised +tiles of")
        .containsPattern("FMA peak +[0-9.]+ GFLOP/s in F32 on one thread")
        .containsPattern("memory read +[0-9.]+ GB/s on one thread")
        .containsPattern("memory copy +[0-9.]+ GB/s, reads and writes on one thread")
        .contains("CPU back end    " + Backends.cpu().backend().name())
        .contains("cuda back end   not used: ");
    assertThat(err.toString()).isEmpty();
  }

  @Test
  void doctorNamesAKernelThatIsWrong() {
    SoftmaxKernels right = Backends.scalar().softmax();
    Backend wrong =
        replacing(
            Backend.class,
            Backends.scalar(),
            Map.of(
                "softmax",
                replacing(SoftmaxKernels.class, right, Map.of("softmax", "does nothing"))));
    assertThat(Backends.with(wrong, () -> run("doctor", "--quick"))).isOne();
    assertThat(out.toString())
        .contains("1 of ", "checks FAILED", "softmax.softmax of scalar differs")
        .doesNotContain("GFLOP/s", "softmax.softmaxGradient");
  }

  /** {@code real} with other answers of some methods. */
  private static <T> T replacing(Class<T> type, T real, Map<String, Object> answers) {
    Object proxy =
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (_, method, arguments) -> {
              Object other = answers.get(method.getName());
              if (other == null) return method.invoke(real, arguments);
              return method.getReturnType() == void.class ? null : other;
            });
    return type.cast(proxy);
  }
}
