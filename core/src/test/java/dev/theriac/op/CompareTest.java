package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.CompareKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Comparisons, and choices by what they give. */
@ExtendWith(TensorScope.class)
class CompareTest {
  static List<Backend> backends() {
    return Samples.backends();
  }

  @ParameterizedTest
  @EnumSource
  void comparesEveryType(DType dtype) {
    Tensor a = Samples.longs(i -> i % 3, 3, 17).to(dtype);
    Tensor b = Samples.longs(i -> i % 2, 17).to(dtype);
    for (Backend backend : backends()) {
      for (CompareKind kind : CompareKind.values()) {
        Tensor y = Backends.with(backend, () -> Elementwise.compare(kind, a, b));
        assertThat(y.dtype()).isEqualTo(DType.BOOL);
        for (int i = 0; i < 51; i++) {
          double x = a.get(i / 17, i % 17);
          double z = b.get(i % 17);
          boolean want =
              switch (kind) {
                case EQ -> x == z;
                case NE -> x != z;
                case LT -> x < z;
                case LE -> x <= z;
                case GT -> x > z;
                case GE -> x >= z;
              };
          assertThat(y.get(i / 17, i % 17)).as("%s %s %s", x, kind, z).isEqualTo(want ? 1 : 0);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void comparesLongsThatNoDoubleHolds(Backend backend) {
    Tensor a = Tensor.of(new long[] {(1L << 53) + 1, 5});
    Tensor b = Tensor.of(new long[] {1L << 53, 5});
    Tensor y = Backends.with(backend, () -> Elementwise.compare(CompareKind.EQ, a, b));
    assertThat(y.toLongs()).containsExactly(0, 1);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void notANumberComparesFalseButForUnequal(Backend backend) {
    Tensor a = Tensor.of(new float[] {Float.NaN, Float.NaN});
    Tensor b = Tensor.of(new float[] {Float.NaN, 1});
    for (CompareKind kind : CompareKind.values()) {
      long want = kind == CompareKind.NE ? 1 : 0;
      assertThat(Backends.with(backend, () -> Elementwise.compare(kind, a, b)).toLongs())
          .as("%s", kind)
          .containsExactly(want, want);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void whereChooses(Backend backend) {
    for (View view : View.values()) {
      Tensor c = view.of(Samples.ids(1, 2, 3, 17).to(DType.BOOL));
      Tensor a = view.of(Samples.normal(2, 3, 17));
      Tensor b = Samples.normal(3, 17);
      Tensor y = Backends.with(backend, () -> Elementwise.where(c, a, b));
      for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 17; j++) {
          assertThat(y.get(i, j)).isEqualTo(c.get(i, j) != 0 ? a.get(i, j) : b.get(j));
        }
      }
    }
  }
}
