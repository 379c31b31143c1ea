package dev.theriac.cli.inspect;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class TensorGroupsTest {
  private final TensorGroups groups = new TensorGroups();

  private java.util.List<String> lines() {
    return groups.lines().stream().map(l -> l.keys() + " " + l.count()).toList();
  }

  @Test
  void keysThatDifferInNumbersStandTogether() {
    for (int i : new int[] {0, 1, 2, 3, 5, 7, 8}) {
      for (int e = 0; e < 4; e++) groups.add("layers." + i + ".experts." + e + ".w1.weight", "F32");
    }
    groups.add("layers.0.norm", "F32");
    assertThat(lines())
        .containsExactly("layers.{0..3,5,7,8}.experts.{0..3}.w1.weight 28", "layers.0.norm 1");
  }

  @Test
  void onlyWholePartsAreNumbers() {
    groups.add("w1.a2", "F32");
    groups.add("w2.a2", "F32");
    groups.add("3", "F32");
    groups.add("4", "BF16");
    groups.add("layers.99999999999.x", "F32");
    assertThat(lines())
        .containsExactly("w1.a2 1", "w2.a2 1", "3 1", "4 1", "layers.99999999999.x 1");
  }

  @Test
  void manyGapsAreShortened() {
    for (int i = 0; i < 40; i += 2) groups.add("l." + i, "F32");
    assertThat(lines()).containsExactly("l.{0,2,4,6,8,10,..,38} 20");
    groups.add("weird#name.1", "F32");
    groups.add("weird#name.2", "F32");
    assertThat(lines().getLast()).isEqualTo("weird#name.{1,2} 2");
  }
}
