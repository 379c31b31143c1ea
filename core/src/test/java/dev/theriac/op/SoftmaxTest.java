package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.op.GradientCheck.Case;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

@ExtendWith(TensorScope.class)
class SoftmaxTest {
  private static final float LOW = Float.NEGATIVE_INFINITY;

  static List<Backend> backends() {
    return Samples.backends();
  }

  private static double[][] exact(Tensor x) {
    double[] in = Samples.doubles(x);
    int c = (int) x.size(-1);
    double[] soft = new double[in.length];
    double[] log = new double[in.length];
    double[] size = new double[in.length];
    for (int row = 0; row < in.length; row += c) {
      double max = in[row];
      for (int j = 0; j < c; j++) max = Math.max(max, in[row + j]);
      double sum = 0;
      for (int j = 0; j < c; j++) sum += Math.exp(in[row + j] - max);
      for (int j = row; j < row + c; j++) {
        soft[j] = Math.exp(in[j] - max) / sum;
        log[j] = in[j] - max - Math.log(sum);
        size[j] = Math.abs(in[j]) + Math.abs(max) + Math.log(sum);
      }
    }
    return new double[][] {soft, log, size};
  }

  @ParameterizedTest
  @MethodSource("backends")
  void agreesWithTheDefinition(Backend backend) {
    long[][] shapes = {{1}, {17}, {129}, {0, 3}, {3, 1}, {17, 129}, {129, 3}, {2, 3, 5}};
    for (long[] shape : shapes) {
      for (DType dtype : Samples.FLOATING) {
        for (View view : View.values()) {
          Tensor x = view.of(Samples.normal(1, shape).mul(4).to(dtype));
          double[][] want = exact(x);
          Tensor soft = Backends.with(backend, x::softmax);
          Tensor log = Backends.with(backend, () -> Softmax.logSoftmax(x));
          assertThat(soft.shape()).isEqualTo(shape);
          assertThat(log.dtype()).isEqualTo(dtype);
          // A rounding error of the exponent is a relative error of the result.
          double[] size = want[0].clone();
          for (int i = 0; i < size.length; i++) size[i] *= 1 + want[2][i];
          Tolerances.check("softmax", backend.name(), want[0], size, soft);
          Tolerances.check("logSoftmax", backend.name(), want[1], want[2], log);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void logSumExpAgreesWithTheDefinition(Backend backend) {
    for (long[] shape : new long[][] {{1}, {17, 129}, {129, 3}, {0, 3}, {2, 3, 5}}) {
      Tensor x = Samples.normal(1, shape).mul(4);
      double[][] of = exact(x);
      double[] in = Samples.doubles(x);
      int c = (int) x.size(-1);
      double[] want = new double[in.length / c];
      double[] size = new double[in.length / c];
      for (int r = 0; r < want.length; r++) {
        want[r] = in[r * c] - of[1][r * c];
        size[r] = Math.abs(in[r * c]) + Math.abs(of[1][r * c]);
      }
      Tensor y = Backends.with(backend, () -> Softmax.logSumExp(x));
      assertThat(y.shape()).isEqualTo(Arrays.copyOf(shape, shape.length - 1));
      Tolerances.check("logSumExp", backend.name(), want, size, y);
    }
    Tensor edges = Tensor.of(new float[] {LOW, LOW, 1e4f, 1e4f, Float.NaN, LOW}, 3, 2);
    assertThat(Backends.with(backend, () -> Softmax.logSumExp(edges)).toFloats())
        .containsExactly(LOW, (float) (1e4 + Math.log(2)), Float.NaN);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void hugeLogitsDoNotOverflow(Backend backend) {
    Tensor x = Tensor.of(new float[] {3e38f, 1, -3e38f, -3e38f, -3e38f, -3e38f}, 2, 3);
    assertThat(Backends.with(backend, x::softmax).toFloats())
        .containsExactly(1, 0, 0, 1 / 3f, 1 / 3f, 1 / 3f);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void maskedRowsGiveZeros(Backend backend) {
    for (int c : new int[] {1, 3, 17, 129}) {
      Tensor x = Tensor.full(LOW, DType.F32, 3, c);
      backend.elementwise().fill(x.slice(0, 1, 2).slice(1, c - 1, c).strided(), 2);
      Tensor y = Backends.with(backend, x::softmax);
      assertThat(y.select(0, 0).toFloats()).containsOnly(0f);
      assertThat(y.select(0, 2).toFloats()).containsOnly(0f);
      assertThat(y.get(1, c - 1)).isEqualTo(1);
      assertThat(y.select(0, 1).sum().item()).isEqualTo(1);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void logSoftmaxOfAMaskedElementIsMinusInfinity(Backend backend) {
    Tensor x = Tensor.of(new float[] {LOW, 0, 0, LOW, LOW, LOW}, 2, 3);
    float half = (float) Math.log(0.5);
    assertThat(Backends.with(backend, () -> Softmax.logSoftmax(x)).toFloats())
        .containsExactly(LOW, half, half, LOW, LOW, LOW);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void gradientsAgreeWithTheFormula(Backend backend) {
    for (long[] shape : new long[][] {{1, 1}, {3, 17}, {17, 129}, {0, 3}}) {
      Tensor x = Samples.normal(1, shape).requireGrad(true);
      Tensor g = Samples.normal(2, shape);
      double[][] y = exact(x);
      double[] up = Samples.doubles(g);
      int c = (int) shape[1];
      double[][] want = new double[2][up.length];
      double[][] size = new double[2][up.length];
      for (int row = 0; row < up.length; row += c) {
        double dot = 0;
        double sum = 0;
        double all = 0;
        for (int j = row; j < row + c; j++) {
          dot += y[0][j] * up[j];
          sum += up[j];
          all += Math.abs(up[j]);
        }
        for (int j = row; j < row + c; j++) {
          want[0][j] = y[0][j] * (up[j] - dot);
          size[0][j] = y[0][j] * (Math.abs(up[j]) + all);
          want[1][j] = up[j] - y[0][j] * sum;
          size[1][j] = Math.abs(up[j]) + y[0][j] * all * (1 + y[2][j]);
        }
      }
      Tensor soft = Backends.with(backend, () -> x.softmax().backward(g).get(x));
      Tensor log = Backends.with(backend, () -> Softmax.logSoftmax(x).backward(g).get(x));
      Tolerances.check("softmax gradient", backend.name(), want[0], size[0], soft);
      Tolerances.check("logSoftmax gradient", backend.name(), want[1], size[1], log);
    }
  }

  @Test
  void errorsNameTheOperationAndTheShape() {
    assertThatThrownBy(() -> Tensor.zeros(3, 0).softmax())
        .hasMessageContaining("softmax")
        .hasMessageContaining("[3, 0]");
    assertThatThrownBy(() -> Softmax.logSoftmax(Tensor.scalar(1)))
        .hasMessageContaining("logSoftmax")
        .hasMessageContaining("[]");
  }

  static List<Case> cases() {
    return List.of(
        new Case("softmax", x -> x.getFirst().softmax(), () -> List.of(Samples.normal(1, 2, 3, 5))),
        new Case(
            "logSoftmax",
            x -> Softmax.logSoftmax(x.getFirst()),
            () -> List.of(Samples.normal(1, 3, 5))),
        new Case(
            "logSumExp",
            x -> Softmax.logSumExp(x.getFirst()),
            () -> List.of(Samples.normal(1, 2, 3, 5))));
  }

  @TestFactory
  Stream<DynamicTest> gradients() {
    return GradientCheck.tests(cases());
  }
}
