package dev.theriac.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.nn.Parameter;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;

class ClipTest {
  @Test
  void theNormIsOverAllParameters() {
    try (Scope _ = Scope.open()) {
      Parameter a = new Parameter(Tensor.zeros(2));
      Parameter b = new Parameter(Tensor.zeros(1, 1));
      Parameter none = new Parameter(Tensor.zeros(3));
      Gradients g = new Gradients();
      g.put(a.value(), Tensor.of(new float[] {2, -3}));
      g.put(b.value(), Tensor.of(new float[] {6}, 1, 1));
      assertThat(Clip.globalNorm(List.of(a, none, b), g)).isEqualTo(7);
      // Squares beyond F32's range.
      g.put(b.value(), Tensor.of(new float[] {3e38f}, 1, 1));
      assertThat(Clip.globalNorm(List.of(a, b), g)).isCloseTo(3e38, within(1e32));
      for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
        g.put(b.value(), Tensor.of(new float[] {bad}, 1, 1));
        double norm = Clip.globalNorm(List.of(a, b), g);
        assertThat(Double.isFinite(norm)).isFalse();
        assertThatThrownBy(() -> Clip.scale(norm, 1)).hasMessageContaining("finite");
      }
    }
  }

  @Test
  void onlyLargeNormsAreScaled() {
    assertThat(Clip.scale(0, 1)).isEqualTo(1);
    assertThat(Clip.scale(0.5, 1)).isEqualTo(1);
    assertThat(Clip.scale(4, 1)).isCloseTo(0.25, within(1e-6));
    assertThatThrownBy(() -> Clip.scale(1, 0)).hasMessageContaining("positive");
  }
}
