package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.ReduceKind;
import dev.theriac.op.GradientCheck.Case;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

@ExtendWith(TensorScope.class)
class ReduceTest {
  /** Shapes and the dimensions to reduce. */
  private record Cut(long[] shape, int... dims) {}

  private static final List<Cut> CUTS =
      List.of(
          new Cut(new long[] {}),
          new Cut(new long[] {1}, 0),
          new Cut(new long[] {17}, 0),
          new Cut(new long[] {129}),
          new Cut(new long[] {3, 129}, 1),
          new Cut(new long[] {3, 129}, 0),
          new Cut(new long[] {129, 3}, 0, 1),
          new Cut(new long[] {129, 3}, -1),
          new Cut(new long[] {2, 3, 5}, 1),
          new Cut(new long[] {2, 3, 17}, 0, 2),
          new Cut(new long[] {4, 1, 33, 2}, 1, 2),
          new Cut(new long[] {0, 3}, 1),
          new Cut(new long[] {3, 0}, 1),
          new Cut(new long[] {3, 0}, 0));

  static List<Backend> backends() {
    return Samples.backends();
  }

  /** By definition, one output at a time; also the sum of the magnitudes of its terms. */
  private static double[][] exact(ReduceKind kind, Tensor x, long[] kept, boolean[] gone) {
    double[] in = Samples.doubles(x);
    long[] shape = x.shape();
    int outputs = 1;
    for (long k : kept) outputs *= (int) k;
    double[] value = new double[outputs];
    double[] size = new double[outputs];
    double start =
        switch (kind) {
          case SUM, MEAN -> 0;
          case MAX -> Double.NEGATIVE_INFINITY;
          case MIN -> Double.POSITIVE_INFINITY;
        };
    Arrays.fill(value, start);
    for (int i = 0; i < in.length; i++) {
      int rest = i;
      int at = 0;
      int step = 1;
      for (int d = shape.length - 1; d >= 0; d--) {
        int index = (int) (rest % shape[d]);
        rest /= (int) shape[d];
        if (gone[d]) continue;
        at += index * step;
        step *= (int) shape[d];
      }
      value[at] =
          switch (kind) {
            case SUM, MEAN -> value[at] + in[i];
            case MAX -> Math.max(value[at], in[i]);
            case MIN -> Math.min(value[at], in[i]);
          };
      size[at] += Math.abs(in[i]);
    }
    if (kind == ReduceKind.MEAN) {
      double count = (double) in.length / outputs;
      for (int i = 0; i < outputs; i++) {
        value[i] /= count;
        size[i] /= count;
      }
    }
    return new double[][] {value, size};
  }

  @ParameterizedTest
  @EnumSource
  void agreesWithTheDefinition(ReduceKind kind) {
    for (Backend backend : backends()) {
      for (Cut cut : CUTS) {
        boolean[] gone = new boolean[cut.shape.length];
        for (int d : cut.dims) gone[d < 0 ? d + gone.length : d] = true;
        long[] keepDims = cut.shape.clone();
        for (int d = 0; d < gone.length; d++) if (gone[d]) keepDims[d] = 1;
        boolean empty = Tensor.empty("test", DType.F32, cut.shape).size() == 0;
        boolean nothing = empty && Tensor.empty("test", DType.F32, keepDims).size() > 0;
        if (nothing && kind != ReduceKind.SUM) continue;
        for (DType dtype : Samples.FLOATING) {
          for (View view : View.values()) {
            Tensor x = view.of(Samples.normal(1, dtype, cut.shape));
            Tensor y = Backends.with(backend, () -> Reduce.reduce(kind, x, true, cut.dims));
            assertThat(y.shape()).isEqualTo(keepDims);
            assertThat(y.dtype()).isEqualTo(dtype);
            double[][] want = exact(kind, x, keepDims, gone);
            Tolerances.check(Check.name(kind), backend.name(), want[0], want[1], y);
            Tensor flat = Backends.with(backend, () -> Reduce.reduce(kind, x, false, cut.dims));
            assertThat(flat.rank()).isEqualTo(cut.shape.length - cut.dims.length);
            assertThat(flat.toFloats()).isEqualTo(y.toFloats());
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void longSumsStayExact(Backend backend) {
    Tensor x = Samples.normal(1, 100_003);
    double sum = 0;
    double size = 0;
    for (double v : Samples.doubles(x)) {
      sum += v;
      size += Math.abs(v);
    }
    Tensor y = Backends.with(backend, x::sum);
    Tolerances.check("sum", backend.name(), new double[] {sum}, new double[] {size}, y);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void notANumberSpreads(Backend backend) {
    Tensor x = Samples.normal(1, 129);
    backend.elementwise().fill(x.slice(0, 77, 78).strided(), Double.NaN);
    for (ReduceKind kind : ReduceKind.values()) {
      Tensor y = Backends.with(backend, () -> Reduce.all(kind, x));
      assertThat(y.item()).as("%s on %s", kind, backend.name()).isNaN();
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void argmaxTakesTheLowestIndexAndNeverNotANumber(Backend backend) {
    float nan = Float.NaN;
    float low = Float.NEGATIVE_INFINITY;
    Tensor x =
        Tensor.of(
            new float[] {
              1, 3, 3, 2, nan, 1, nan, 0, nan, nan, nan, nan, nan, low, low, nan, 5, 5, 5, 5
            },
            5,
            4);
    for (View view : View.values()) {
      Tensor y = Backends.with(backend, () -> Reduce.argmax(view.of(x)));
      assertThat(y.dtype()).isEqualTo(DType.I64);
      assertThat(y.toLongs()).containsExactly(1, 1, 0, 1, 0);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void argmaxOfOddShapes(Backend backend) {
    for (long[] shape : List.of(new long[] {129}, new long[] {3, 17}, new long[] {2, 3, 129})) {
      Tensor x = Samples.normal(2, shape);
      Tensor y = Backends.with(backend, () -> Reduce.argmax(x));
      assertThat(y.shape()).isEqualTo(Arrays.copyOf(shape, shape.length - 1));
      float[] in = x.toFloats();
      long[] got = y.toLongs();
      int c = (int) x.size(-1);
      for (int n = 0; n < got.length; n++) {
        int best = 0;
        for (int j = 1; j < c; j++) if (in[n * c + j] > in[n * c + best]) best = j;
        assertThat(got[n]).isEqualTo(best);
      }
    }
  }

  /** Every choice of broadcast dimensions, their order, and reduced dimensions. */
  @ParameterizedTest
  @MethodSource("backends")
  void broadcastInputsGiveWhatTheirCopiesGive(Backend backend) {
    int[][] orders = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int repeated = 0; repeated < 8; repeated++) {
      int mask = repeated;
      long[] base = {3, 4, 17};
      for (int d = 0; d < 3; d++) if ((mask >> d & 1) == 1) base[d] = 1;
      Tensor wide = Samples.normal(repeated, base).expand(3, 4, 17);
      for (int[] order : orders) {
        Tensor x = wide.permute(order);
        Tensor copy = ShapeFunctions.copy(x);
        for (int gone = 0; gone < 8; gone++) {
          int chosen = gone;
          int[] dims = IntStream.range(0, 3).filter(d -> (chosen >> d & 1) == 1).toArray();
          for (ReduceKind kind : ReduceKind.values()) {
            double[] got =
                Samples.doubles(Backends.with(backend, () -> Reduce.reduce(kind, x, false, dims)));
            double[] wanted =
                Samples.doubles(
                    Backends.with(Backends.scalar(), () -> Reduce.reduce(kind, copy, false, dims)));
            assertThat(got)
                .as("%s of %s over %s", kind, x.layout(), Arrays.toString(dims))
                .containsExactly(wanted, within(1e-4));
          }
        }
      }
    }
  }

  @Test
  void errorsNameTheOperationAndTheShape() {
    Tensor x = Tensor.zeros(3, 0);
    for (ReduceKind kind : List.of(ReduceKind.MAX, ReduceKind.MIN)) {
      assertThatThrownBy(() -> Reduce.all(kind, x))
          .hasMessageContaining(Check.name(kind))
          .hasMessageContaining("[3, 0]");
    }
    assertThatThrownBy(() -> Reduce.argmax(x))
        .hasMessageContaining("argmax")
        .hasMessageContaining("[3, 0]");
    assertThatThrownBy(() -> Reduce.reduce(ReduceKind.SUM, x, false, 1, -1))
        .hasMessageContaining("sum")
        .hasMessageContaining("twice");
    assertThatThrownBy(() -> x.sum(2, false)).hasMessageContaining("[3, 0]");
    assertThatThrownBy(() -> Tensor.of(new long[] {1}).sum()).hasMessageContaining("sum: I64[1]");
  }

  static List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (ReduceKind kind : ReduceKind.values()) {
      for (int[] dims : new int[][] {{0}, {1}, {0, 2}, {}}) {
        cases.add(
            new Case(
                Check.name(kind) + Arrays.toString(dims),
                x -> Reduce.reduce(kind, x.getFirst(), dims.length == 2, dims),
                () -> List.of(wellApart(2, 3, 4))));
      }
    }
    return cases;
  }

  /** Distinct values further apart than a step of the finite differences. */
  private static Tensor wellApart(long... shape) {
    return Samples.longs(i -> i * 7 % 24 - 11, shape).to(DType.F32).mul(0.25);
  }

  @TestFactory
  Stream<DynamicTest> gradients() {
    return GradientCheck.tests(cases());
  }

  @Test
  void tiesShareTheGradientOfTheExtreme() {
    Tensor x = Tensor.of(new float[] {2, 2, 1, 0, 3, 3}, 2, 3).requireGrad(true);
    Tensor max = Reduce.reduce(ReduceKind.MAX, x, false, 1);
    assertThat(max.sum().backward().get(x).toFloats())
        .containsExactly(0.5f, 0.5f, 0, 0, 0.5f, 0.5f);
  }
}
