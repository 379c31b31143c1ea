package dev.theriac.bench.performance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.tensor.DType;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** What holds for the cases of every family. */
class FamiliesTest {
  @TestFactory
  List<DynamicTest> casesAreWhole() {
    return Families.all().stream()
        .map(family -> DynamicTest.dynamicTest(family.name(), () -> check(family)))
        .toList();
  }

  private static void check(Family family) {
    assertThat(family.name()).matches("[a-z0-9]+");
    assertThat(family.cases()).isNotEmpty();
    Set<String> ids = new HashSet<>();
    boolean libtorch = false;
    for (Case c : family.cases()) {
      assertThat(c.id()).matches("[^\\s,|=]+").satisfies(id -> assertThat(ids.add(id)).isTrue());
      assertThat(c.inputs()).extracting(Input::name).doesNotHaveDuplicates();
      assertThat(family.of(c.id()).work()).isEqualTo(c.work());
      if (c.floor() == Floor.FMA) assertThat(c.work().flops()).isPositive();
      if (c.floor() == Floor.READ || c.floor() == Floor.COPY) {
        assertThat(c.work().bytes()).isPositive();
      }
      libtorch |= family.rivals(c).contains("libtorch");
    }
    if (!libtorch) return;
    for (String end : new String[] {".py", ".pt"}) {
      assertThat(Family.class.getResource(family.name() + end)).as(family.name() + end).isNotNull();
    }
  }

  @Test
  void inputsFollowFromTheirPlacesAlone() {
    Input x = Input.f32("x", 100, 7);
    try (Inputs inputs =
        new Inputs(Case.of("a", "b").input(x, Input.bf16("h", 9), Input.i64("i", 5, 50)))) {
      float[] made = inputs.tensor("x").toFloats();
      for (int i = 0; i < made.length; i++) assertThat((double) made[i]).isEqualTo(x.at(i));
      assertThat(inputs.tensor("h").dtype()).isEqualTo(DType.BF16);
      assertThat(inputs.tensor("i").toLongs()).containsOnly(0, 1, 2, 3, 4);
    }
    assertThat(x.at(3)).isNotEqualTo(Input.f32("y", 100, 7).at(3)).isBetween(-1.0, 1.0);
    assertThat(x.scaled(0.5).at(3)).isEqualTo(x.at(3) / 2);
  }
}
