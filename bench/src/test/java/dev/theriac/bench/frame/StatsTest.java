package dev.theriac.bench.frame;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.bench.frame.Work.Ceiling;
import java.util.List;
import org.junit.jupiter.api.Test;

class StatsTest {
  @Test
  void medianIsTheMiddleOrTheMeanOfTheTwoMiddleOnes() {
    assertThat(Stats.median(new double[] {9, 1, 4})).isEqualTo(4);
    assertThat(Stats.median(new double[] {8, 2, 6, 4})).isEqualTo(5);
    assertThatThrownBy(() -> Stats.median(new double[0]))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void ratiosAreTakenWithinARound() {
    double[] ours = {1, 2, 10};
    double[] theirs = {3, 6, 10};
    assertThat(Stats.ratios(theirs, ours)).containsExactly(3, 3, 1);
    assertThat(Stats.median(Stats.ratios(theirs, ours))).isEqualTo(3);
    assertThatThrownBy(() -> Stats.ratios(ours, new double[2])).hasMessageContaining("3 rounds");
  }

  @Test
  void theBoundIsTheLargerOfArithmeticAndTraffic() {
    // 12.9 GFLOP at 100 GFLOP/s take 129 ms, 129 MB at 20 GB/s 6.45 ms.
    Work work = new Work(12.9e9, 129e6);
    Ceiling machine = new Ceiling(100, 20);
    assertThat(work.boundMicros(machine)).isEqualTo(129_000);
    assertThat(work.binding(machine)).isEqualTo("compute");
    assertThat(work.ofBound(machine, 258_000)).isEqualTo(0.5);
    assertThat(new Work(1e6, 129e6).boundMicros(machine)).isEqualTo(6450);
    assertThat(new Work(1e6, 129e6).binding(machine)).isEqualTo("memory");
  }

  @Test
  void optionsThatMakeNoSenseAreErrors() {
    assertThatThrownBy(() -> options(List.of(0), List.of())).hasMessageContaining("0 threads");
    assertThatThrownBy(() -> options(List.of(), List.of())).hasMessageContaining("no thread");
    assertThatThrownBy(() -> Bench.of("none"))
        .hasMessageContaining("no benchmark \"none\"")
        .hasMessageContaining("dispatch, gemm, kernels");
    assertThatThrownBy(() -> Bench.of("gemm").run(options(List.of(1), List.of("7x7x7"))))
        .hasMessageContaining("gemm: no shape \"7x7x7\"")
        .hasMessageContaining("1024x1024x1024");
  }

  private static BenchOptions options(List<Integer> threads, List<String> only) {
    return new BenchOptions(threads, false, false, null, null, only, 1, 0.001, _ -> {});
  }
}
