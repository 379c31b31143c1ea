package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.op.GradientCheck.Case;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.PretendProvider;
import dev.theriac.tensor.Tensor;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

@ExtendWith(TensorScope.class)
class ShapeTest {
  static List<Backend> backends() {
    return Samples.backends();
  }

  /** 0, 1, 2, ... in the given shape. */
  private static Tensor count(DType dtype, long... shape) {
    return Samples.longs(i -> i, shape).to(dtype);
  }

  @Test
  void viewsShareStorage() {
    Tensor x = count(DType.F32, 2, 3, 4);
    for (Tensor view :
        List.of(
            x.reshape(6, 4),
            x.permute(2, 0, 1),
            x.transpose(0, -1),
            x.slice(1, 1, 3),
            x.select(0, 1),
            x.unsqueeze(1),
            x.select(0, 1).unsqueeze(0).squeeze(0),
            x.slice(0, 0, 1).expand(5, 3, 4))) {
      assertThat(view.storage()).isSameAs(x.storage());
    }
  }

  @ParameterizedTest
  @EnumSource
  void viewsShowTheRightElements(DType dtype) {
    Tensor x = count(dtype, 2, 3, 4);
    assertThat(x.permute(2, 0, 1).shape()).containsExactly(4, 2, 3);
    assertThat(x.permute(2, 0, 1).toLongs())
        .containsExactly(
            expected(
                dtype, 0, 4, 8, 12, 16, 20, 1, 5, 9, 13, 17, 21, 2, 6, 10, 14, 18, 22, 3, 7, 11, 15,
                19, 23));
    assertThat(x.slice(1, 1, 2).toLongs())
        .containsExactly(expected(dtype, 4, 5, 6, 7, 16, 17, 18, 19));
    assertThat(x.select(2, 3).toLongs()).containsExactly(expected(dtype, 3, 7, 11, 15, 19, 23));
    assertThat(x.slice(0, 1, 2).slice(2, 0, 2).expand(2, 3, 2).toLongs())
        .containsExactly(expected(dtype, 12, 13, 16, 17, 20, 21, 12, 13, 16, 17, 20, 21));
    assertThat(x.transpose(0, 2).reshape(2, -1).toLongs())
        .containsExactly(
            expected(
                dtype, 0, 12, 4, 16, 8, 20, 1, 13, 5, 17, 9, 21, 2, 14, 6, 18, 10, 22, 3, 15, 7, 19,
                11, 23));
  }

  private static long[] expected(DType dtype, long... values) {
    if (dtype == DType.BOOL)
      for (int i = 0; i < values.length; i++) values[i] = values[i] == 0 ? 0 : 1;
    return values;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void copiesEveryTypeOutOfEveryView(Backend backend) {
    for (DType dtype : DType.values()) {
      for (long[] shape : Samples.SHAPES) {
        for (View view : View.values()) {
          Tensor x = count(dtype, shape);
          Tensor y = Backends.with(backend, () -> ShapeFunctions.copy(view.of(x)));
          assertThat(y.layout().isContiguous()).isTrue();
          assertThat(y.shape()).isEqualTo(shape);
          assertThat(y.toLongs()).isEqualTo(x.toLongs());
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void copyKeepsTheBitsOfNotANumber(Backend backend) {
    float odd = Float.intBitsToFloat(0x7fc12345);
    Tensor x = Tensor.of(new float[] {odd, -0f, Float.MIN_VALUE});
    float[] y = Backends.with(backend, () -> ShapeFunctions.copy(x)).toFloats();
    assertThat(Float.floatToRawIntBits(y[0])).isEqualTo(0x7fc12345);
    assertThat(Float.floatToRawIntBits(y[1])).isEqualTo(0x80000000);
    assertThat(Float.floatToRawIntBits(y[2])).isEqualTo(1);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void joinsAlongAnyDimension(Backend backend) {
    for (DType dtype : List.of(DType.F32, DType.I64, DType.U8, DType.F16)) {
      Tensor a = count(dtype, 2, 3);
      Tensor b = View.TRANSPOSED.of(count(dtype, 2, 2));
      Tensor none = count(dtype, 2, 0);
      Tensor row = Backends.with(backend, () -> ShapeFunctions.concat(-1, List.of(a, none, b)));
      assertThat(row.toLongs()).containsExactly(0, 1, 2, 0, 1, 3, 4, 5, 2, 3);
      Tensor column =
          Backends.with(backend, () -> ShapeFunctions.concat(0, List.of(a, a.slice(0, 1, 2))));
      assertThat(column.toLongs()).containsExactly(0, 1, 2, 3, 4, 5, 3, 4, 5);
    }
  }

  @Test
  void contiguousGivesTheTensorItselfWhenItIs() {
    Tensor x = count(DType.F32, 3, 4);
    assertThat(x.contiguous()).isSameAs(x);
    assertThat(x.transpose(0, 1).contiguous().storage()).isNotSameAs(x.storage());
  }

  @Test
  void errorsNameTheOperationAndTheShapes() {
    Tensor x = Tensor.zeros(2, 3);
    assertThatThrownBy(() -> x.reshape(4, 2))
        .hasMessageContaining("reshape")
        .hasMessageContaining("[2, 3]")
        .hasMessageContaining("[4, 2]");
    assertThatThrownBy(() -> x.reshape(-1, 4))
        .hasMessageContaining("reshape")
        .hasMessageContaining("[2, 3]")
        .hasMessageContaining("[-1, 4]");
    assertThatThrownBy(() -> x.permute(0, 0)).hasMessageContaining("permute");
    assertThatThrownBy(() -> x.permute(0)).hasMessageContaining("permute");
    assertThatThrownBy(() -> x.slice(1, 2, 4))
        .isInstanceOf(IndexOutOfBoundsException.class)
        .hasMessageContaining("slice [2, 4)")
        .hasMessageContaining("[2, 3]");
    assertThatThrownBy(() -> x.select(0, 2)).hasMessageContaining("[2, 3]");
    assertThatThrownBy(() -> x.expand(4, 3))
        .hasMessageContaining("[2, 3]")
        .hasMessageContaining("[4, 3]");
    assertThatThrownBy(() -> x.squeeze(0)).hasMessageContaining("squeeze");
    assertThatThrownBy(() -> x.unsqueeze(5)).hasMessageContaining("unsqueeze");
    assertThatThrownBy(() -> x.transpose(0, 2)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> ShapeFunctions.concat(0, List.of(x, Tensor.zeros(2, 4))))
        .hasMessageContaining("concat")
        .hasMessageContaining("[2, 3]")
        .hasMessageContaining("[2, 4]");
    assertThatThrownBy(() -> ShapeFunctions.concat(0, List.of(x, x.to(DType.F16))))
        .hasMessageContaining("concat")
        .hasMessageContaining("F16");
    assertThatThrownBy(() -> ShapeFunctions.concat(0, List.of())).hasMessageContaining("concat");
  }

  static List<Case> cases() {
    return List.of(
        new Case(
            "reshape", x -> x.getFirst().reshape(2, -1), () -> List.of(Samples.normal(1, 3, 4))),
        new Case(
            "permute",
            x -> x.getFirst().permute(2, 0, 1),
            () -> List.of(Samples.normal(1, 2, 3, 4))),
        new Case("slice", x -> x.getFirst().slice(1, 1, 3), () -> List.of(Samples.normal(1, 3, 4))),
        new Case("select", x -> x.getFirst().select(0, 2), () -> List.of(Samples.normal(1, 3, 4))),
        new Case(
            "expand", x -> x.getFirst().expand(2, 3, 5), () -> List.of(Samples.normal(1, 3, 1))),
        new Case(
            "squeeze",
            x -> x.getFirst().squeeze(1).unsqueeze(0),
            () -> List.of(Samples.normal(1, 3, 1))),
        new Case(
            "move",
            x ->
                x.getFirst().to(PretendProvider.SECOND).to(x.getFirst().device()).mul(x.getFirst()),
            () -> List.of(Samples.normal(1, 3, 4))),
        new Case(
            "contiguous",
            x -> ShapeFunctions.copy(x.getFirst().transpose(0, 1)),
            () -> List.of(Samples.normal(1, 3, 5))),
        new Case(
            "concat",
            x -> ShapeFunctions.concat(1, List.of(x.get(0), x.get(1), x.get(0))),
            () -> List.of(Samples.normal(1, 3, 2), Samples.normal(2, 3, 1))));
  }

  @TestFactory
  Stream<DynamicTest> gradients() {
    return GradientCheck.tests(cases());
  }
}
