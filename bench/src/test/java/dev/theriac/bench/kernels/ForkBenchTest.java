package dev.theriac.bench.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Workers;
import dev.theriac.bench.frame.Bench;
import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.bench.frame.BenchReport;
import dev.theriac.bench.frame.Finding;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ForkBenchTest {
  private static BenchReport run(List<Integer> threads, String operation, List<String> notes)
      throws Exception {
    return Bench.of("forks")
        .run(
            new BenchOptions(
                threads, false, false, null, null, List.of(operation), 1, 0.001, notes::add));
  }

  @Test
  void comparesEachThreadCountWithOneThreadAwakeAndParked() throws Exception {
    List<String> notes = new ArrayList<>();
    BenchReport report = run(List.of(1, 3, 2), "add-bias", notes);
    assertThat(notes).containsExactly("add-bias, 3 threads", "add-bias, 2 threads");
    assertThat(report.findings()).extracting(Finding::threads).containsExactly(3, 3, 2, 2);
    assertThat(report.findings())
        .extracting(Finding::name)
        .startsWith("add-bias, threads awake", "add-bias, threads parked");
    for (Finding f : report.findings()) {
      // A pair of times for each size.
      assertThat(f.text()).containsPattern("16 to 1024 rows:( -?[0-9.]+/-?[0-9.]+){7}$");
      assertThat(f.shape()).matches("[0-9]+ rows|none of these");
    }
  }

  @Test
  void oneThreadAloneIsNothingToCompare() {
    assertThatThrownBy(() -> run(List.of(1), "gelu", new ArrayList<>()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("2 or more");
    assertThatThrownBy(() -> run(List.of(2), "sort", new ArrayList<>()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("no shape \"sort\"");
  }

  @Test
  void paysFromTheSizeAfterTheLastThatDoesNot() {
    double[] alone = {1, 2, 4, 8};
    assertThat(ForkBench.from(alone, new double[] {2, 1, 1, 1})).isEqualTo(1);
    assertThat(ForkBench.from(alone, new double[] {0.5, 1, 3.7, 5})).isEqualTo(3);
    assertThat(ForkBench.from(alone, new double[] {0.5, 1, 3, 8})).isEqualTo(4);
    assertThat(ForkBench.from(alone, new double[] {0.9, 1, 3, 5})).isZero();
  }

  @Test
  void everyOperationRunsAtItsSmallestSize() {
    try (ForkEngine engine = new ForkEngine(2)) {
      for (String operation : ForkEngine.OPERATIONS) {
        String stage = operation + "@" + ForkEngine.rows(operation)[0];
        assertThat(engine.stages()).contains(stage, stage + "+");
        engine.run(stage);
        engine.run(stage + "+");
      }
    } finally {
      Workers.setThreads(Runtime.getRuntime().availableProcessors());
    }
  }
}
