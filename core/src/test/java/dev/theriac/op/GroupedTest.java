package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.op.GradientCheck.Case;
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
class GroupedTest {
  private static final long[][] OFFSETS = {
    {0, 0}, {0, 1}, {0, 3, 3, 20}, {0, 0, 17, 17, 18}, {0, 129, 130, 163}, {0, 0, 0, 0}
  };

  static List<Backend> backends() {
    return Samples.backends();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void isAProductForEachGroup(Backend backend) {
    for (long[] offsets : OFFSETS) {
      for (int[] size : new int[][] {{1, 1}, {3, 17}, {65, 33}, {300, 5}}) {
        for (boolean biased : new boolean[] {false, true}) {
          for (View view : View.values()) {
            check(backend, offsets, size[0], size[1], biased, view);
          }
        }
      }
    }
  }

  private static void check(
      Backend backend, long[] offsets, int n, int k, boolean biased, View view) {
    int groups = offsets.length - 1;
    int rows = (int) offsets[groups];
    Tensor x = view.of(Samples.normal(1, rows, k));
    Tensor w = view.of(Samples.normal(2, groups, n, k));
    Tensor bias = biased ? view.of(Samples.normal(3, groups, n)) : null;
    Tensor offs = view.of(Tensor.of(offsets));
    Tensor y = Backends.with(backend, () -> Grouped.linear(x, w, bias, offs));
    assertThat(y.shape()).containsExactly(rows, n);
    double[] xs = Samples.doubles(x);
    double[] ws = Samples.doubles(w);
    double[] value = new double[rows * n];
    double[] size = new double[rows * n];
    for (int e = 0; e < groups; e++) {
      for (int r = (int) offsets[e]; r < offsets[e + 1]; r++) {
        for (int j = 0; j < n; j++) {
          double sum = biased ? bias.get(e, j) : 0;
          double all = Math.abs(sum);
          for (int p = 0; p < k; p++) {
            double term = xs[r * k + p] * ws[(e * n + j) * k + p];
            sum += term;
            all += Math.abs(term);
          }
          value[r * n + j] = sum;
          size[r * n + j] = all;
        }
      }
    }
    Tolerances.check("groupedLinear", backend.name(), value, size, y);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void gradientsAgreeWithThoseOfPlainProducts(Backend backend) {
    for (long[] offsets : OFFSETS) {
      int groups = offsets.length - 1;
      int rows = (int) offsets[groups];
      Tensor x = Samples.normal(1, rows, 33).requireGrad(true);
      Tensor w = Samples.normal(2, groups, 17, 33).requireGrad(true);
      Tensor bias = Samples.normal(3, groups, 17).requireGrad(true);
      Tensor g = Samples.normal(4, rows, 17);
      Gradients found =
          Backends.with(backend, () -> Grouped.linear(x, w, bias, Tensor.of(offsets)).backward(g));
      for (int e = 0; e < groups; e++) {
        Tensor xe = x.detach().slice(0, offsets[e], offsets[e + 1]).contiguous().requireGrad(true);
        Tensor we = w.detach().select(0, e).contiguous().requireGrad(true);
        Tensor be = bias.detach().select(0, e).contiguous().requireGrad(true);
        Tensor ge = g.slice(0, offsets[e], offsets[e + 1]);
        Gradients want =
            Backends.with(Backends.scalar(), () -> Matmul.linear(xe, we, be).backward(ge));
        int m = (int) xe.size(0);
        near(backend, want.get(xe), found.get(x).slice(0, offsets[e], offsets[e + 1]), 17);
        near(backend, want.get(we), found.get(w).select(0, e), m);
        near(backend, want.get(be), found.get(bias).select(0, e), m);
      }
    }
  }

  /** Terms of the sums are products of two normal values, so a sum of n has magnitude about n. */
  private static void near(Backend backend, Tensor want, Tensor got, int terms) {
    double[] exact = Samples.doubles(want);
    double[] size = new double[exact.length];
    for (int i = 0; i < size.length; i++) size[i] = Math.max(Math.abs(exact[i]), terms);
    Tolerances.check("groupedLinear", backend.name(), exact, size, got);
  }

  @Test
  void groupsWithoutRowsGetZeroGradients() {
    for (Backend backend : backends()) {
      Tensor x = Samples.normal(1, 3, 5);
      Tensor w = Samples.normal(2, 3, 4, 5).requireGrad(true);
      Tensor bias = Samples.normal(3, 3, 4).requireGrad(true);
      Tensor offsets = Tensor.of(new long[] {0, 2, 2, 3});
      Gradients found =
          Backends.with(backend, () -> Grouped.linear(x, w, bias, offsets).sum().backward());
      assertThat(found.get(w).select(0, 1).toFloats()).containsOnly(0f);
      assertThat(found.get(bias).select(0, 1).toFloats()).containsOnly(0f);
      assertThat(found.get(bias).select(0, 0).toFloats()).containsOnly(2f);
    }
  }

  @Test
  void errorsNameTheOperationAndTheShapes() {
    Tensor x = Tensor.zeros(3, 5);
    Tensor w = Tensor.zeros(2, 4, 5);
    assertThatThrownBy(() -> Grouped.linear(x, Tensor.zeros(2, 4, 6), null, Tensor.of(new long[3])))
        .hasMessageContaining("groupedLinear")
        .hasMessageContaining("[3, 5]")
        .hasMessageContaining("[2, 4, 6]");
    assertThatThrownBy(() -> Grouped.linear(x, w, null, Tensor.of(new long[] {0, 3})))
        .hasMessageContaining("offsets must have shape [3], got [2]");
    assertThatThrownBy(() -> Grouped.linear(x, w, null, Tensor.of(new long[] {0, 2, 1})))
        .hasMessageContaining("offset 1 of group 2");
    assertThatThrownBy(() -> Grouped.linear(x, w, null, Tensor.of(new long[] {1, 2, 3})))
        .hasMessageContaining("offset 1 of group 0");
    assertThatThrownBy(() -> Grouped.linear(x, w, null, Tensor.of(new long[] {0, 2, 4})))
        .hasMessageContaining("offset 4");
    assertThatThrownBy(() -> Grouped.linear(x, w, null, Tensor.of(new long[] {0, 1, 2})))
        .hasMessageContaining("last offset is 2, the input has 3 rows");
    assertThatThrownBy(() -> Grouped.linear(x, w, Tensor.zeros(4), Tensor.of(new long[] {0, 1, 3})))
        .hasMessageContaining("bias must have shape [2, 4], got [4]");
  }

  static List<Case> cases() {
    return List.of(
        new Case(
            "groupedLinear",
            x -> Grouped.linear(x.get(0), x.get(1), x.get(2), Tensor.of(new long[] {0, 2, 2, 5})),
            () ->
                List.of(
                    Samples.normal(1, 5, 3), Samples.normal(2, 3, 2, 3), Samples.normal(3, 3, 2))),
        new Case(
            "groupedLinear without bias",
            x -> Grouped.linear(x.get(0), x.get(1), null, Tensor.of(new long[] {0, 1, 3})),
            () -> List.of(Samples.normal(1, 3, 4), Samples.normal(2, 2, 3, 4))));
  }

  @TestFactory
  Stream<DynamicTest> gradients() {
    return GradientCheck.tests(cases());
  }
}
