package dev.theriac.cli.result;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MetricsLogTest {
  @TempDir Path folder;

  private static StepMetrics step(String stage, long step, double loss) {
    return new StepMetrics(stage, step, 10, 1.5, loss, 1e-3, 0.25, 5000, null, null);
  }

  @Test
  void readsWhatItWrote() {
    Path file = folder.resolve("new/metrics.jsonl");
    StepMetrics last = new StepMetrics("moe", 3, 10, 2.5, 0.1, 1e-4, 0, 1e6, 0.875, 3L);
    try (MetricsLog log = MetricsLog.create(file)) {
      log.add(step("align", 1, 6.25));
      assertThat(MetricsLog.read(file)).as("at once").containsExactly(step("align", 1, 6.25));
      log.add(last);
    }
    assertThat(MetricsLog.read(file)).containsExactly(step("align", 1, 6.25), last);
  }

  @Test
  void writesOneSnakeCaseObjectPerLine() throws IOException {
    Path file = folder.resolve("metrics.jsonl");
    try (MetricsLog log = MetricsLog.create(file)) {
      log.add(step("align", 1, 6.25));
    }
    assertThat(Files.readString(file))
        .isEqualTo(
            "{\"stage\":\"align\",\"step\":1,\"steps\":10,\"seconds\":1.5,\"loss\":6.25,"
                + "\"learning_rate\":0.001,\"grad_norm\":0.25,\"tokens_per_second\":5000.0,"
                + "\"validation\":null}\n");
  }

  @Test
  void keepsTheLastOfARepeatedStepAfterAKill() throws IOException {
    Path file = folder.resolve("metrics.jsonl");
    try (MetricsLog log = MetricsLog.create(file)) {
      log.add(step("align", 1, 3));
      log.add(step("align", 2, 2));
      log.add(step("align", 3, 1));
    }
    Files.writeString(file, "{\"stage\":\"ali", StandardOpenOption.APPEND);
    assertThat(MetricsLog.read(file)).hasSize(3);
    try (MetricsLog log = MetricsLog.append(file)) {
      log.add(step("align", 2, 2.5));
      log.add(step("moe", 2, 4));
    }
    assertThat(MetricsLog.read(file))
        .containsExactly(
            step("align", 1, 3), step("align", 2, 2.5), step("align", 3, 1), step("moe", 2, 4));
  }

  @Test
  void carriesALossThatIsNoNumber() {
    Path file = folder.resolve("metrics.jsonl");
    try (MetricsLog log = MetricsLog.create(file)) {
      log.add(step("align", 1, Double.NaN));
    }
    assertThat(MetricsLog.read(file)).containsExactly(step("align", 1, Double.NaN));
  }

  @Test
  void namesTheBrokenLine() throws IOException {
    Path file = Files.writeString(folder.resolve("m.jsonl"), "{\"stage\": \"a\"}\n");
    assertThatThrownBy(() -> MetricsLog.read(file))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("m.jsonl")
        .hasMessageContaining("line 1");
    assertThatThrownBy(() -> MetricsLog.create(folder.resolve("m.jsonl/x")))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining("cannot be written");
  }
}
