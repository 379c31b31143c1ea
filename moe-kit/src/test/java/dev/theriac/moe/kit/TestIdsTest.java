package dev.theriac.moe.kit;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class TestIdsTest {
  @Test
  void everyIdHasATestOrAReason() {
    Set<String> known = new HashSet<>(TestIds.tests().keySet());
    known.addAll(TestIds.NOT_APPLICABLE.keySet());
    assertThat(known).containsExactlyInAnyOrderElementsOf(TestIds.all());
    assertThat(TestIds.NOT_APPLICABLE.keySet())
        .doesNotContainAnyElementsOf(TestIds.tests().keySet());
    assertThat(TestIds.NOT_APPLICABLE.values())
        .allSatisfy(r -> assertThat(r).hasSizeGreaterThan(20));
  }

  @Test
  void thereAre68() {
    assertThat(TestIds.all()).hasSize(17 + 16 + 9 + 8 + 6 + 5 + 7).doesNotHaveDuplicates();
    assertThat(TestIds.all()).contains("R01", "R17", "K16", "G09", "L08", "C06", "N05", "D07");
  }
}
