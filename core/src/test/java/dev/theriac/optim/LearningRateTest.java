package dev.theriac.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class LearningRateTest {
  @Test
  void cosineWarmsUpAndEndsAtZero() {
    // W = ceil(0.03 * 101) = 4.
    LearningRate rate = LearningRate.cosine(101, 0.03);
    double[] start = {0, 0.25, 0.5, 0.75, 1};
    for (int t = 0; t < start.length; t++) assertThat(rate.factor(t)).isEqualTo(start[t]);
    for (int t = 4; t <= 101; t++) {
      double cosine = 0.5 * (1 + Math.cos(Math.PI * (t - 4) / 97.0));
      assertThat(rate.factor(t)).isCloseTo(cosine, within(1e-15));
    }
    assertThat(rate.factor(101)).isZero();
    assertThat(rate.factor(1000)).isZero();
    assertThat(LearningRate.cosine(100, 0.03)).isEqualTo(new LearningRate.Cosine(3, 100));
    assertThat(LearningRate.cosine(10, 0).factor(0)).isEqualTo(1);
    assertThat(LearningRate.cosine(10, 0).factor(5)).isCloseTo(0.5, within(1e-15));
    assertThat(LearningRate.cosine(4, 1).factor(3)).isEqualTo(0.75);
  }

  @Test
  void linearFallsInAStraightLine() {
    LearningRate rate = LearningRate.linear(10, 0.2);
    double[] expected = {0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0, 0};
    for (int t = 0; t < expected.length; t++) assertThat(rate.factor(t)).isEqualTo(expected[t]);
  }

  @Test
  void constantIsOne() {
    assertThat(LearningRate.constant().factor(0)).isEqualTo(1);
    assertThat(new LearningRate.Constant(2).factor(1)).isEqualTo(0.5);
    assertThat(new LearningRate.Constant(2).factor(7)).isEqualTo(1);
  }

  @Test
  void nonsenseIsRefused() {
    assertThatThrownBy(() -> LearningRate.cosine(0, 0.1)).hasMessageContaining("0 steps");
    assertThatThrownBy(() -> LearningRate.linear(5, 1.5)).hasMessageContaining("1.5");
    assertThatThrownBy(() -> LearningRate.linear(5, Double.NaN)).hasMessageContaining("NaN");
  }
}
