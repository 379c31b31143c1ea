package dev.theriac.bench.performance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.bench.frame.Bench;
import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.bench.frame.BenchReport;
import dev.theriac.bench.frame.Finding;
import dev.theriac.bench.frame.Row;
import dev.theriac.bench.frame.SourceTree;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PerformanceBenchTest {
  @TempDir private Path temp;

  @Test
  void timesACaseAndWritesItBetweenTheMarksOfAPage() throws Exception {
    BenchReport report =
        Bench.of("performance")
            .run(
                new BenchOptions(
                    List.of(1),
                    false,
                    false,
                    null,
                    null,
                    List.of("gemm"),
                    List.of("NT/1024x1024x1024"),
                    1,
                    0.01,
                    _ -> {}));
    Row row = report.rows().getFirst();
    assertThat(report.rows()).hasSize(1);
    assertThat(row.name()).isEqualTo("NT/1024x1024x1024");
    assertThat(row.bound()).isEqualTo("FMA peak");
    assertThat(row.gflops()).isPositive();
    assertThat(row.ofBound()).isPositive();
    assertThat(row.wanted().ratio()).isPositive();
    assertThat(report.ceiling(1).copied()).isPositive();

    Path page = temp.resolve("PERFORMANCE.md");
    Files.writeString(
        page, "# Title\n\n<!-- measured: begin -->\nold\n<!-- measured: end -->\n\nend\n");
    report.writeMarkdown(page, "theriac bench performance");
    assertThat(page)
        .content()
        .startsWith("# Title\n\n<!-- measured: begin -->\n")
        .endsWith("<!-- measured: end -->\n\nend\n")
        .doesNotContain("old")
        .contains("| NT | 1024x1024x1024 | 1 |", "`theriac bench performance`");
  }

  @Test
  void aRowWithoutItsRivalCountsNeitherAsReachedNorAsMissed() {
    assertThat(row(null, 0.9, new Row.Wanted(1.5, null, null)).standing())
        .isEqualTo(Row.Standing.NOT_COMPARED);
    assertThat(row(null, 0.9, new Row.Wanted(1.5, 0.95, null)).standing())
        .isEqualTo(Row.Standing.MISSED);
    assertThat(row(1.6, 0.9, new Row.Wanted(1.5, null, null, 10.0)).standing())
        .isEqualTo(Row.Standing.REACHED);
    assertThat(row(1.6, 0.9, new Row.Wanted(1.5, null, null, 20.0)).missed())
        .containsExactly("rate");
    assertThat(row(1.6, 0.9, Row.Wanted.NOTHING).standing()).isEqualTo(Row.Standing.NO_TARGET);
    assertThat(new Finding("a", "b", 1, Double.NaN, 1.0, "").met()).isNull();
  }

  private static Row row(Double ratio, Double share, Row.Wanted wanted) {
    return new Row(
        "a", "b", 1, 1, null, null, ratio, ratio, ratio, null, share, "copy", Map.of(), 15.0,
        wanted);
  }

  @Test
  void theLaunchersOptionsComeFromItsFile() throws Exception {
    assertThat(SourceTree.folder().resolve("cli/jvm.args")).content().contains("-Xmn");
  }

  @Test
  void aStateThatCallsChangeIsMadeAnewForTheComparison() {
    Family family = Families.of("rows");
    Case c = family.of("adamw/8388608");
    assertThat(family.changesInputs(c)).isTrue();
    assertThat(family.changesInputs(family.cases().getFirst())).isFalse();
    try (PerformanceEngine engine = new PerformanceEngine(family, 1)) {
      engine.run(c.id());
      double[] first = engine.values("p", new long[] {5});
      engine.run(c.id());
      assertThat(engine.values("p", new long[] {5})).isNotEqualTo(first);
      engine.restart();
      engine.run(c.id());
      assertThat(engine.values("p", new long[] {5})[0]).isCloseTo(first[0], within(1e-5));
    }
  }

  @Test
  void aWrongResultIsNotTimed() {
    Family family = new GemmFamily();
    Case c = family.cases().getFirst();
    Comparison comparison = new Comparison(family);
    Comparison.Values wrong =
        (_, at) -> {
          double[] values = new double[at.length];
          Arrays.fill(values, 1);
          return values;
        };
    assertThatThrownBy(() -> comparison.check(wrong, "x", c, true))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("should be");
    assertThat(Comparison.places(5)).containsExactly(0, 1, 2, 3, 4);
    assertThat(Comparison.places(1000)).hasSize(64).contains(0, 999);
  }
}
