package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.op.GradientCheck.Case;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

@ExtendWith(TensorScope.class)
class RopeTest {
  static List<Backend> backends() {
    return Samples.backends();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void agreesWithTheDefinition(Backend backend) {
    long[][] shapes = {{1, 1, 1, 2}, {2, 3, 4, 16}, {1, 17, 1, 33}, {0, 3, 2, 4}, {2, 129, 3, 6}};
    for (long[] shape : shapes) {
      int depth = (int) shape[3];
      for (int rotary : new int[] {0, 2, depth / 2 / 2 * 2, depth / 2 * 2}) {
        for (DType dtype : Samples.FLOATING) {
          for (View view : View.values()) check(backend, shape, rotary, dtype, view);
        }
      }
    }
  }

  private static void check(Backend backend, long[] shape, int rotary, DType dtype, View view) {
    double theta = 10_000;
    Tensor x = view.of(Samples.normal(1, dtype, shape));
    Tensor positions = view.of(Samples.ids(2, 5000, shape[0], shape[1]));
    Tensor y = Backends.with(backend, () -> Rope.rope(x, positions, rotary, theta));
    assertThat(y.dtype()).isEqualTo(dtype);
    double[] in = Samples.doubles(x);
    long[] at = positions.toLongs();
    int depth = (int) shape[3];
    int rows = (int) shape[2];
    double[] want = in.clone();
    double[] size = in.clone();
    for (int row = 0; row < in.length / depth; row++) {
      for (int i = 0; i < rotary / 2; i++) {
        double angle = at[row / rows] * Math.pow(theta, -2.0 * i / rotary);
        int lower = row * depth + i;
        int upper = lower + rotary / 2;
        want[lower] = in[lower] * Math.cos(angle) - in[upper] * Math.sin(angle);
        want[upper] = in[upper] * Math.cos(angle) + in[lower] * Math.sin(angle);
        size[lower] = size[upper] = Math.abs(in[lower]) + Math.abs(in[upper]);
      }
    }
    Tolerances.check("rope", backend.name(), want, size, y);
    for (int i = 0; i < in.length; i++) {
      if (i % depth >= rotary) assertThat(want[i]).isEqualTo(in[i]);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void passesTheRestUnchanged(Backend backend) {
    Tensor x = Samples.normal(1, 2, 3, 4, 17);
    Tensor y = Backends.with(backend, () -> Rope.rope(x, Samples.ids(1, 100, 2, 3), 6, 10_000));
    assertThat(y.slice(3, 6, 17).toFloats()).isEqualTo(x.slice(3, 6, 17).toFloats());
  }

  @ParameterizedTest
  @MethodSource("backends")
  void positionZeroChangesNothing(Backend backend) {
    Tensor x = Samples.normal(1, 1, 3, 2, 8);
    Tensor zeros = Tensor.full(0, DType.I64, 1, 3);
    assertThat(Backends.with(backend, () -> Rope.rope(x, zeros, 8, 10_000)).toFloats())
        .isEqualTo(x.toFloats());
  }

  @ParameterizedTest
  @MethodSource("backends")
  void scoresDependOnDistanceOnly(Backend backend) {
    Tensor q = Samples.normal(1, 1, 1, 1, 16);
    Tensor k = Samples.normal(2, 1, 1, 1, 16);
    double near = score(backend, q, k, 7, 3);
    double far = score(backend, q, k, 1007, 1003);
    assertThat(Math.abs(near - far)).isLessThan(1e-5);
  }

  private static double score(Backend backend, Tensor q, Tensor k, long at, long other) {
    return Backends.with(
        backend,
        () -> {
          Tensor a = Rope.rope(q, Tensor.of(new long[] {at}, 1, 1), 16, 10_000);
          Tensor b = Rope.rope(k, Tensor.of(new long[] {other}, 1, 1), 16, 10_000);
          return (double) a.mul(b).sum().item();
        });
  }

  @Test
  void errorsNameTheOperationAndTheShapes() {
    Tensor x = Tensor.zeros(2, 3, 4, 8);
    Tensor positions = Tensor.of(new long[6], 2, 3);
    assertThatThrownBy(() -> Rope.rope(x, positions, 3, 10_000))
        .hasMessageContaining("rope: 3 rotary dimensions of a head of 8");
    assertThatThrownBy(() -> Rope.rope(x, positions, 10, 10_000)).hasMessageContaining("rope: 10");
    assertThatThrownBy(() -> Rope.rope(x, Tensor.of(new long[6], 3, 2), 8, 10_000))
        .hasMessageContaining("rope: positions must have shape [2, 3], got [3, 2]");
    assertThatThrownBy(() -> Rope.rope(x, Tensor.zeros(2, 3), 8, 10_000))
        .hasMessageContaining("rope: positions must be I64, got F32[2, 3]");
    assertThatThrownBy(() -> Rope.rope(Tensor.zeros(2, 3), positions, 2, 10_000))
        .hasMessageContaining("rope")
        .hasMessageContaining("[2, 3]");
  }

  static List<Case> cases() {
    return List.of(
        new Case(
            "rope",
            x -> Rope.rope(x.getFirst(), Samples.ids(1, 50, 2, 3), 4, 100),
            () -> List.of(Samples.normal(1, 2, 3, 2, 5))));
  }

  @TestFactory
  Stream<DynamicTest> gradients() {
    return GradientCheck.tests(cases());
  }
}
