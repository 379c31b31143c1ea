package dev.theriac.moe.kit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.moe.kit.Qualification.Outcome;
import dev.theriac.moe.kit.Qualification.Report;
import dev.theriac.moe.kit.Qualification.Result;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class QualificationTest {
  /**
   * CpuKitTest runs them all; here the ragged ones will do, and those for another JVM and for
   * devices.
   */
  @Test
  void theDeviceTestIsSkippedLoudlyAndAllOthersPass() {
    List<String> ids = TestIds.all().stream().filter(id -> id.matches("R..|D05|D06")).toList();
    Backend cpu = Backends.cpu().backend();
    Report report = Qualification.run(() -> List.of(cpu), ids::contains, _ -> {});
    assertThat(report.results()).extracting(Result::id).containsExactlyElementsOf(ids);
    assertThat(report.passed()).as("%s", report).isTrue();
    assertThat(report.results())
        .filteredOn(r -> r.outcome() == Outcome.SKIPPED)
        .singleElement()
        .satisfies(r -> {
          assertThat(r.id()).isEqualTo("D06");
          assertThat(r.message()).contains("SKIPPED", report.backends().getFirst());
        });
    assertThat(report.results())
        .filteredOn(r -> r.id().startsWith("R") && r.comparisons() > 0)
        .hasSizeGreaterThan(10)
        .allSatisfy(r -> assertThat(r.worst()).isLessThanOrEqualTo(1));
    assertThat(report.toString())
        .contains("R01  PASSED")
        .contains("18 passed, 0 failed, 1 skipped");
  }

  @Test
  void failuresAreTestsThatFailedAndTheOthersStillRun() {
    Backend broken =
        BrokenBackend.of(
            "selectedSoftmax",
            (right, a) -> {
              right.call(a);
              Strided weights = (Strided) a[3];
              if (weights.size() > 0) Host.setFloat(weights.address(), 0.9f);
            });
    List<Result> told = new ArrayList<>();
    List<String> ids = List.of("D05", "K12", "R02");
    Report report = Qualification.run(() -> List.of(broken), ids::contains, told::add);
    assertThat(told).isEqualTo(report.results());
    assertThat(told).extracting(Result::id).isEqualTo(ids);
    assertThat(report.passed()).isFalse();
    assertThat(outcome(report, "K12")).isEqualTo(Outcome.FAILED);
    // No other JVM can make such a back end.
    assertThat(outcome(report, "D05")).isEqualTo(Outcome.FAILED);
    assertThat(outcome(report, "R02")).isEqualTo(Outcome.PASSED);
    assertThat(report.toString()).contains("K12  FAILED").contains("on scalar with 1 threads");
  }

  private static Outcome outcome(Report report, String id) {
    return report.results().stream()
        .filter(r -> r.id().equals(id))
        .findFirst()
        .orElseThrow()
        .outcome();
  }
}
