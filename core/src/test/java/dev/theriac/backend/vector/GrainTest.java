package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class GrainTest {
  @Test
  void tasksArePowersOfTwoOfAboutTheSameWorth() {
    for (double nanos :
        new double[] {Grain.MOVE, Grain.ROW, Grain.NORM, Grain.FUNCTION, Grain.PRODUCT}) {
      long units = Grain.of(nanos);
      assertThat(Long.bitCount(units)).isOne();
      assertThat(units * nanos).isBetween(2_500.0, 6_000.0);
    }
    assertThat(Grain.of(1e9)).isOne();
  }

  @Test
  void aTaskHasAtLeastOneRow() {
    assertThat(Grain.rows(1 << 14, 128)).isEqualTo(128);
    assertThat(Grain.rows(1 << 14, 1)).isEqualTo((1 << 14) / Lanes.LENGTH);
    assertThat(Grain.rows(1 << 14, 1 << 20)).isOne();
    assertThat(Grain.rows(1 << 14, 0)).isPositive();
  }
}
