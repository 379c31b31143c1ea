package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Conversions between types, fills of every type, and gradients that pass a conversion. */
@ExtendWith(TensorScope.class)
class ConversionTest {
  static List<Backend> backends() {
    return Samples.backends();
  }

  @ParameterizedTest
  @EnumSource
  void convertsToEveryType(DType from) {
    for (Backend backend : backends()) {
      for (DType to : DType.values()) {
        for (View view : View.values()) {
          Tensor x = view.of(Samples.longs(i -> i % 120, 3, 43).to(from));
          Tensor y = Backends.with(backend, () -> x.to(to));
          assertThat(y.dtype()).isEqualTo(to);
          for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 43; j++) {
              double value = x.get(i, j);
              double want = to == DType.BOOL ? (value != 0 ? 1 : 0) : value;
              assertThat(y.get(i, j)).as("%s to %s", from, to).isEqualTo(want);
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void conversionRoundsToNearestEvenAndTruncatesToIntegers(Backend backend) {
    float[] values = {1.00390625f, 1.01171875f, -2.7f, 2.7f, 65519.9f, 1e-8f, Float.NaN};
    Tensor x = Tensor.of(values);
    Backends.with(
        backend,
        () -> {
          assertThat(x.to(DType.BF16).toFloats()[0]).isEqualTo(1f);
          assertThat(x.to(DType.BF16).toFloats()[1]).isEqualTo(1.015625f);
          float[] halves = x.to(DType.F16).toFloats();
          for (int i = 0; i < values.length; i++) {
            Float want = Float.float16ToFloat(Float.floatToFloat16(values[i]));
            assertThat((Float) halves[i]).isEqualTo(want);
          }
          assertThat(x.slice(0, 2, 4).to(DType.I32).toLongs()).containsExactly(-2, 2);
          assertThat(x.to(DType.BF16).toFloats()[6]).isNaN();
          return null;
        });
  }

  @ParameterizedTest
  @MethodSource("backends")
  void longsKeepTheirBits(Backend backend) {
    long big = (1L << 53) + 1;
    Tensor x = Tensor.of(new long[] {big, -1, Long.MIN_VALUE});
    Backends.with(
        backend,
        () -> {
          assertThat(x.to(DType.I32).toLongs()).containsExactly((int) big, -1, 0);
          assertThat(x.to(DType.F32).toFloats()).containsExactly((float) big, -1f, -0x1p63f);
          assertThat(View.TRANSPOSED.of(x).toLongs()).containsExactly(big, -1, Long.MIN_VALUE);
          return null;
        });
  }

  @ParameterizedTest
  @EnumSource
  void fillsEveryType(DType dtype) {
    for (Backend backend : backends()) {
      for (long[] shape : Samples.SHAPES) {
        Tensor t = Backends.with(backend, () -> Tensor.full(1, dtype, shape));
        for (double v : Samples.doubles(t)) assertThat(v).isEqualTo(1);
      }
      Tensor base = Tensor.full(0, dtype, 3, 17);
      Tensor column = base.slice(1, 2, 3);
      backend.elementwise().fill(column.strided(), 1);
      assertThat(base.to(DType.F32).sum().item()).isEqualTo(3);
    }
  }

  @Test
  void castPassesTheGradient() {
    for (DType dtype : Samples.FLOATING) {
      Tensor x = Samples.normal(1, 17).requireGrad(true);
      Tensor g = Samples.normal(2, 17);
      Tensor dx = Elementwise.cast(Elementwise.cast(x, dtype), DType.F32).backward(g).get(x);
      assertThat(dx.dtype()).isEqualTo(DType.F32);
      assertThat(dx.toFloats()).isEqualTo(g.toFloats());
    }
  }

  @Test
  void gradientsOfHalfTypesArriveInF32() {
    for (DType dtype : Samples.FLOATING) {
      Tensor x = Samples.normal(1, dtype, 17).requireGrad(true);
      Tensor dx = x.mul(x).sum().backward().get(x);
      assertThat(dx.dtype()).isEqualTo(DType.F32);
      Tensor twice = Autograd.noGrad(() -> x.to(DType.F32).mul(2));
      assertThat(dx.toFloats()).isEqualTo(twice.toFloats());
    }
  }
}
