package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.RopeFrequencies;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import org.junit.jupiter.api.Test;

class CudaRopeTest extends CudaFixture {
  @Test
  void checksOfTheFamily() {
    assertChecks("rope.", CudaTolerances.ROPE);
  }

  private void check(Strided x, RopeFrequencies frequencies, long firstPosition) {
    long[] shape = x.layout().shape();
    Strided positions = empty(DType.I64, shape[0], shape[1]);
    for (long i = 0; i < positions.size(); i++) {
      Host.setLong(positions.address() + 8 * i, firstPosition + 3 * i);
    }
    for (boolean inverse : new boolean[] {false, true}) {
      Strided e = run(empty(shape), o -> scalar.rope().rope(x, positions, frequencies, inverse, o));
      Strided a = run(empty(shape), o -> cuda.rope().rope(x, positions, frequencies, inverse, o));
      assertClose("rope", a, e, CudaTolerances.ROPE, 1);
    }
  }

  /** All or some dimensions rotated, one head or more than a thread has, positions far out. */
  @Test
  void shapes() {
    check(random(2, 3, 4, 8), RopeFrequencies.of(8, 10_000), 0);
    check(random(1, 1, 19, 64), RopeFrequencies.of(64, 500_000), 1_000_003);
    check(random(2, 5, 1, 80), RopeFrequencies.of(20, 10_000), 7);
    check(random(1, 130, 3, 10), RopeFrequencies.of(2, 10_000), 5);
    check(random(0, 3, 2, 8), RopeFrequencies.of(8, 10_000), 0);
    check(random(2, 3, 4, 8), new RopeFrequencies(new double[] {1, 0.5, 0.1}, 1.25), -3);
    check(random(2, 3, 4, 8), new RopeFrequencies(new double[0], 1), 0);
  }

  @Test
  void strides() {
    Strided x = random(2, 4, 5, 16);
    check(x.with(x.layout().permute(0, 2, 1, 3)), RopeFrequencies.of(16, 10_000), 11);
    check(x.with(x.layout().slice(3, 2, 10).slice(1, 1, 3)), RopeFrequencies.of(8, 10_000), 11);
    Strided turned = x.with(x.layout().permute(0, 1, 3, 2));
    assertThatThrownBy(() -> check(turned, RopeFrequencies.of(4, 10_000), 0))
        .hasMessageContaining("rope", "stride 16");
  }

  @Test
  void inPlace() {
    Strided x = random(2, 3, 4, 8);
    Strided positions = empty(DType.I64, 2, 3);
    for (long i = 0; i < 6; i++) Host.setLong(positions.address() + 8 * i, i);
    RopeFrequencies frequencies = RopeFrequencies.of(8, 10_000);
    Strided e = run(empty(2, 3, 4, 8), o -> cuda.rope().rope(x, positions, frequencies, false, o));
    cuda.rope().rope(x, positions, frequencies, false, x);
    assertSame("rope in place", x, e);
  }

  /** More sets of frequencies than the device keeps. */
  @Test
  void manyFrequencies() {
    for (int round = 0; round < 2; round++) {
      for (int i = 0; i < 70; i++) {
        check(random(1, 2, 1, 4), RopeFrequencies.of(4, 1000 + i), 9);
      }
    }
  }
}
