package dev.theriac.cli.progress;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProgressTest {
  private final StringWriter text = new StringWriter();
  private final AtomicLong seconds = new AtomicLong(1000);

  private Progress lines() {
    return new LineProgress(
        new PrintWriter(text), Duration.ofSeconds(5), () -> seconds.get() * 1_000_000_000L);
  }

  private String[] printed() {
    return text.toString().split(System.lineSeparator());
  }

  @Test
  void printsALineEveryInterval() {
    try (Progress progress = lines()) {
      progress.start("align", 1200);
      for (int step = 1; step <= 8; step++) {
        seconds.addAndGet(2);
        progress.step(step * 100, 2.5 / step, 5400.4);
      }
      progress.note("saved");
    }
    assertThat(printed())
        .containsExactly(
            "align: 1,200 steps",
            "align: 300/1,200 (25 %), loss 0.833, 5,400 tokens/s, 0:06 passed, 0:18 left",
            "align: 600/1,200 (50 %), loss 0.417, 5,400 tokens/s, 0:12 passed, 0:12 left",
            "saved",
            "align: 800/1,200 (66 %), loss 0.313, 5,400 tokens/s, 0:16 passed, 0:08 left");
  }

  @Test
  void timeLeftOfAResumedTaskIsJudgedByItsOwnSteps() {
    try (Progress progress = lines()) {
      progress.start("align", 900, 1000);
      seconds.addAndGet(6);
      progress.step(910, 1, 100);
    }
    assertThat(printed())
        .containsExactly(
            "align: 1,000 steps",
            "align: 910/1,000 (91 %), loss 1.000, 100 tokens/s, 0:06 passed, 0:54 left");
    text.getBuffer().setLength(0);
    try (Progress progress = new BarProgress(new PrintWriter(text), 120)) {
      progress.start("align", 900, 1000);
      progress.step(910, 1, 100);
    }
    assertThat(text.toString()).contains("910/1000");
  }

  @Test
  void endsATaskWithItsLastStep() {
    try (Progress progress = lines()) {
      progress.start("a", 2);
      seconds.addAndGet(1);
      progress.step(2, Double.NaN, Double.NaN);
      progress.start("b", 0);
    }
    assertThat(printed())
        .containsExactly("a: 2 steps", "a: 2/2 (100 %), 0:01 passed", "b: 0 steps");
  }

  @Test
  void drawsABarThatNotesDoNotDamage() {
    try (Progress progress = new BarProgress(new PrintWriter(text), 120)) {
      progress.start("align", 4);
      progress.step(1, 1.25, 5400);
      progress.note("saved");
      progress.step(4, 0.5, 6000);
    }
    String drawn = text.toString();
    assertThat(drawn).contains("align").contains("100%").contains("4/4");
    assertThat(drawn).contains("loss 0.500, 6,000 tokens/s");
    assertThat(drawn).contains("\r\u001b[2Ksaved" + System.lineSeparator());
    assertThat(drawn).endsWith(System.lineSeparator());
    for (String line : drawn.split("[\r\n]+")) {
      assertThat(line.replaceAll("\u001b\\[[0-9;]*[a-zA-Z]", "")).hasSizeLessThan(120);
    }
  }

  @Test
  void choosesLinesInATestRun() {
    // The test runner gives no terminal.
    assertThat(Progress.console(new PrintWriter(text), false)).isInstanceOf(LineProgress.class);
    assertThat(Progress.console(new PrintWriter(text), true)).isInstanceOf(LineProgress.class);
  }

  @ParameterizedTest
  @CsvSource({"0, 0:00", "59, 0:59", "754, 12:34", "3723, 1:02:03", "-4, 0:00"})
  void writesTimes(long seconds, String expected) {
    assertThat(Figures.time(Duration.ofSeconds(seconds))).isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource({
    "1.23456, NaN, loss 1.235",
    "0.00123, NaN, loss 1.2e-03",
    "NaN, 12.6, 13 tokens/s",
    "NaN, NaN, ''"
  })
  void writesLossAndSpeed(double loss, double speed, String expected) {
    assertThat(Figures.lossAndSpeed(loss, speed)).isEqualTo(expected);
  }
}
