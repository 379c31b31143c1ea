package dev.theriac.moe.kit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.UnaryKind;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class ToleranceTest {
  private static final Tolerance HALF_PERCENT = new Tolerance(5e-3, 5e-3);

  private static boolean within(double[] reference, double[] actual, int rowSize) {
    return HALF_PERCENT.compare("t", reference, actual, rowSize).within();
  }

  @Test
  void isRelativeToTheReferenceAtEveryScale() {
    for (double scale : new double[] {1e-30, 1e-8, 1, 1e20, 1e300}) {
      double[] reference = {scale, -2 * scale, 3 * scale};
      assertThat(within(reference, new double[] {scale, -2.001 * scale, 3 * scale}, 3)).isTrue();
      assertThat(within(reference, new double[] {scale, -2.1 * scale, 3 * scale}, 3)).isFalse();
      assertThat(within(reference, new double[3], 3)).isFalse();
    }
  }

  @Test
  void seesOneWrongRowAmongMany() {
    double[] reference = new double[4000];
    Arrays.fill(reference, 1);
    double[] actual = reference.clone();
    actual[17] = 1.02;
    Comparison c = HALF_PERCENT.compare("t", reference, actual, 4);
    assertThat(c.rms()).isLessThan(5e-3);
    assertThat(c.within()).isFalse();
    assertThatThrownBy(c::check).hasMessageContaining("element 17 is 1.02, wanted 1.0");
  }

  @Test
  void zerosAndNothingMustBeExact() {
    assertThat(within(new double[3], new double[3], 3)).isTrue();
    assertThat(within(new double[3], new double[] {0, 1e-300, 0}, 3)).isFalse();
    assertThat(within(new double[0], new double[0], 3)).isTrue();
    assertThat(within(new double[] {1}, new double[] {Double.NaN}, 1)).isFalse();
    assertThat(within(new double[] {1}, new double[] {Double.POSITIVE_INFINITY}, 1)).isFalse();
    assertThatThrownBy(() -> within(new double[2], new double[3], 1))
        .hasMessageContaining("3 elements, the reference has 2");
  }

  @Test
  void theCheckerFindsAWrongGradient() {
    Tensor x = Scope.persist(Tensor.randn(new Rng(1), 1, 3, 4));
    GradientChecker.check(
        "silu", in -> in.getFirst().apply(UnaryKind.SILU), List.of(x), Tolerance.F32_DIFFERENCES);
    // detach() hides half of the dependence on x from the backward pass.
    assertThatThrownBy(() ->
            GradientChecker.check(
                "x * x",
                in -> in.getFirst().mul(in.getFirst().detach()),
                List.of(x),
                Tolerance.F32_DIFFERENCES))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("x * x, input 0");
    assertThatThrownBy(() ->
            GradientChecker.check(
                "view", List::getFirst, List.of(x.transpose(0, 1)), Tolerance.F32))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("contiguous");
  }
}
