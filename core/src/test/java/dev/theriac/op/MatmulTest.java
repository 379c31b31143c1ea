package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.Workers;
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
class MatmulTest {
  /** M, N, K. */
  private static final int[][] SIZES = {
    {0, 3, 5},
    {3, 0, 5},
    {3, 5, 0},
    {1, 1, 1},
    {1, 129, 17},
    {129, 1, 17},
    {3, 17, 129},
    {17, 3, 1},
    {33, 65, 31},
    {3, 300, 5},
    {129, 130, 131},
    {3, 5, 4099}
  };

  static List<Backend> backends() {
    return Samples.backends();
  }

  /** Products of matrices a [m, k] and b [k, n], and of their magnitudes. */
  static double[][] exact(double[] a, double[] b, int m, int n, int k) {
    double[] value = new double[m * n];
    double[] size = new double[m * n];
    for (int i = 0; i < m; i++) {
      for (int p = 0; p < k; p++) {
        for (int j = 0; j < n; j++) {
          double term = a[i * k + p] * b[p * n + j];
          value[i * n + j] += term;
          size[i * n + j] += Math.abs(term);
        }
      }
    }
    return new double[][] {value, size};
  }

  @ParameterizedTest
  @MethodSource("backends")
  void agreesWithTheDefinition(Backend backend) {
    for (int[] s : SIZES) {
      Tensor x = Samples.normal(1, s[0], s[2]);
      Tensor y = Samples.normal(2, s[2], s[1]);
      double[][] want = exact(Samples.doubles(x), Samples.doubles(y), s[0], s[1], s[2]);
      for (View view : View.values()) {
        for (View other : View.values()) {
          Tensor a = view.of(x);
          Tensor b = other.of(y);
          Tensor c = Backends.with(backend, () -> a.matmul(b));
          assertThat(c.shape()).containsExactly(s[0], s[1]);
          Tolerances.check("matmul", backend.name(), want[0], want[1], c);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void halfTypesAreWidened(Backend backend) {
    for (DType dtype : List.of(DType.BF16, DType.F16)) {
      for (View view : View.values()) {
        Tensor a = Samples.normal(1, dtype, 5, 33);
        Tensor b = view.of(Samples.normal(2, dtype, 33, 17));
        Tensor c = Backends.with(backend, () -> a.matmul(b));
        assertThat(c.dtype()).isEqualTo(dtype);
        double[][] want = exact(Samples.doubles(a), Samples.doubles(b), 5, 17, 33);
        Tolerances.check("matmul", backend.name(), want[0], want[1], c);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void leadingDimensionsBroadcast(Backend backend) {
    long[][][] batches = {
      {{2}, {2}}, {{2, 3}, {3}}, {{2, 1}, {1, 3}}, {{}, {4}}, {{0}, {1}}, {{5}, {}}
    };
    for (long[][] batch : batches) {
      for (View view : View.values()) {
        Tensor a = view.of(Samples.normal(1, join(batch[0], 3, 5)));
        Tensor b = view.of(Samples.normal(2, join(batch[1], 5, 7)));
        Tensor c = Backends.with(backend, () -> a.matmul(b));
        long[] lead = Arrays.copyOf(c.shape(), c.rank() - 2);
        double[] x = Samples.doubles(a.expand(join(lead, 3, 5)));
        double[] y = Samples.doubles(b.expand(join(lead, 5, 7)));
        int count = x.length / 15;
        double[] value = new double[count * 21];
        double[] size = new double[count * 21];
        for (int i = 0; i < count; i++) {
          double[] xi = Arrays.copyOfRange(x, i * 15, i * 15 + 15);
          double[] yi = Arrays.copyOfRange(y, i * 35, i * 35 + 35);
          double[][] one = exact(xi, yi, 3, 7, 5);
          System.arraycopy(one[0], 0, value, i * 21, 21);
          System.arraycopy(one[1], 0, size, i * 21, 21);
        }
        Tolerances.check("matmul", backend.name(), value, size, c);
      }
    }
  }

  private static long[] join(long[] batch, long m, long n) {
    long[] shape = Arrays.copyOf(batch, batch.length + 2);
    shape[batch.length] = m;
    shape[batch.length + 1] = n;
    return shape;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void accumulatesIntoTheResult(Backend backend) {
    for (int[] s : SIZES) {
      Tensor a = Samples.normal(1, s[0], s[2]);
      Tensor b = Samples.normal(2, s[2], s[1]);
      Tensor c = Samples.normal(3, s[0], s[1]);
      double[][] want = exact(Samples.doubles(a), Samples.doubles(b), s[0], s[1], s[2]);
      double[] before = Samples.doubles(c);
      for (int i = 0; i < before.length; i++) {
        want[0][i] += before[i];
        want[1][i] += Math.abs(before[i]);
      }
      backend.matmul().matmul(a.strided(), b.strided(), null, c.strided(), true);
      Tolerances.check("matmul", backend.name(), want[0], want[1], c);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void linearAddsTheBias(Backend backend) {
    for (int[] s : SIZES) {
      for (DType weightType : Samples.FLOATING) {
        Tensor in = Samples.normal(1, s[0], s[2]);
        Tensor weight = Samples.normal(2, weightType, s[1], s[2]);
        Tensor shift = Samples.normal(3, s[1]);
        double[] wt = Samples.doubles(weight.transpose(0, 1));
        double[] add = Samples.doubles(shift);
        double[][] want = exact(Samples.doubles(in), wt, s[0], s[1], s[2]);
        for (int i = 0; i < want[0].length; i++) {
          want[0][i] += add[i % s[1]];
          want[1][i] += Math.abs(add[i % s[1]]);
        }
        for (View view : View.values()) {
          Tensor x = view.of(in);
          Tensor w = view.of(weight);
          Tensor bias = view.of(shift);
          Tensor y = Backends.with(backend, () -> Matmul.linear(x, w, bias));
          Tolerances.check("linear", backend.name(), want[0], want[1], y);
        }
      }
    }
  }

  @Test
  void linearKeepsLeadingDimensions() {
    Tensor w = Samples.normal(2, 7, 5);
    assertThat(Matmul.linear(Samples.normal(1, 2, 3, 5), w, null).shape()).containsExactly(2, 3, 7);
    assertThat(Matmul.linear(Samples.normal(1, 5), w, null).shape()).containsExactly(7);
    assertThat(Matmul.linear(Samples.normal(1, DType.F16, 5), w, null).dtype())
        .isEqualTo(DType.F16);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void sameBitsForAnyNumberOfThreads(Backend backend) {
    Tensor a = Samples.normal(1, 150, 300);
    Tensor b = Samples.normal(2, 300, 170);
    int before = Workers.threads();
    try {
      float[] first = null;
      for (int threads : new int[] {1, 2, 3, 7}) {
        Workers.setThreads(threads);
        float[] c = Backends.with(backend, () -> a.matmul(b)).toFloats();
        if (first == null) first = c;
        assertThat(c).as("%d threads", threads).isEqualTo(first);
      }
    } finally {
      Workers.setThreads(before);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aRowDoesNotDependOnItsNeighbours(Backend backend) {
    Tensor a = Samples.normal(1, 40, 65);
    Tensor b = Samples.normal(2, 65, 50);
    float[] all = Backends.with(backend, () -> a.matmul(b)).toFloats();
    float[] one = Backends.with(backend, () -> a.slice(0, 17, 24).matmul(b)).toFloats();
    assertThat(one).isEqualTo(Arrays.copyOfRange(all, 17 * 50, 24 * 50));
  }

  @Test
  void errorsNameTheOperationAndBothShapes() {
    Tensor a = Tensor.zeros(2, 3);
    assertThatThrownBy(() -> a.matmul(Tensor.zeros(4, 5)))
        .hasMessageContaining("matmul")
        .hasMessageContaining("[2, 3]")
        .hasMessageContaining("[4, 5]");
    assertThatThrownBy(() -> a.matmul(Tensor.zeros(3))).hasMessageContaining("[3]");
    assertThatThrownBy(() -> Tensor.zeros(2, 4, 3).matmul(Tensor.zeros(3, 3, 5)))
        .hasMessageContaining("matmul");
    assertThatThrownBy(() -> Matmul.linear(a, Tensor.zeros(5, 4), null))
        .hasMessageContaining("linear")
        .hasMessageContaining("[2, 3]")
        .hasMessageContaining("[5, 4]");
    assertThatThrownBy(() -> Matmul.linear(a, Tensor.zeros(5, 3), Tensor.zeros(4)))
        .hasMessageContaining("linear: bias")
        .hasMessageContaining("[5]")
        .hasMessageContaining("[4]");
    assertThatThrownBy(() -> a.matmul(Tensor.of(new long[] {1, 2, 3}, 3, 1)))
        .hasMessageContaining("matmul")
        .hasMessageContaining("I64");
  }

  static List<Case> cases() {
    return List.of(
        new Case(
            "matmul",
            x -> x.get(0).matmul(x.get(1)),
            () -> List.of(Samples.normal(1, 3, 5), Samples.normal(2, 5, 2))),
        new Case(
            "matmul, batches broadcast",
            x -> x.get(0).matmul(x.get(1)),
            () -> List.of(Samples.normal(1, 2, 1, 3, 2), Samples.normal(2, 3, 2, 2))),
        new Case(
            "linear",
            x -> Matmul.linear(x.get(0), x.get(1), x.get(2)),
            () ->
                List.of(Samples.normal(1, 2, 3, 4), Samples.normal(2, 5, 4), Samples.normal(3, 5))),
        new Case(
            "linear without bias",
            x -> Matmul.linear(x.get(0), x.get(1), null),
            () -> List.of(Samples.normal(1, 3), Samples.normal(2, 2, 3))));
  }

  @TestFactory
  Stream<DynamicTest> gradients() {
    return GradientCheck.tests(cases());
  }

  @Test
  void aHalfTypeWeightGetsItsGradientInF32() {
    Tensor x = Samples.normal(1, 3, 5);
    Tensor w = Samples.normal(2, DType.BF16, 4, 5).requireGrad(true);
    Tensor dw = Matmul.linear(x, w, null).sum().backward().get(w);
    assertThat(dw.dtype()).isEqualTo(DType.F32);
    assertThat(dw.select(0, 2).toFloats()).isEqualTo(dw.select(0, 0).toFloats());
  }
}
