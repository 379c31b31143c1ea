package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
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
        .contains("CPU back end   " + dev.theriac.backend.Backends.cpu().backend().name())
        .contains("cuda back end  not used: ");
    assertThat(err.toString()).isEmpty();
  }
}
