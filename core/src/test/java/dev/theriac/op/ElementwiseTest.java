package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.CompareKind;
import dev.theriac.backend.Erf;
import dev.theriac.backend.UnaryKind;
import dev.theriac.op.GradientCheck.Case;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Philox;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

@ExtendWith(TensorScope.class)
class ElementwiseTest {
  private static final Set<UnaryKind> POSITIVE =
      EnumSet.of(UnaryKind.LOG, UnaryKind.SQRT, UnaryKind.RSQRT, UnaryKind.RECIPROCAL);

  /** Derivatives of bounded size, whose error is measured against that size. */
  private static final Set<UnaryKind> BOUNDED_SLOPE =
      EnumSet.range(UnaryKind.SIN, UnaryKind.QUICK_GELU);

  private static final long[][][] BROADCASTS = {
    {{}, {}},
    {{129}, {}},
    {{}, {17}},
    {{3, 17}, {17}},
    {{3, 1}, {1, 129}},
    {{2, 3, 5}, {3, 1}},
    {{0, 3}, {1, 3}},
    {{1}, {0}},
    {{2, 1, 5}, {2, 3, 5}},
    {{4, 33, 3}, {1, 33, 1}},
    {{129}, {129}}
  };

  private static final float[] SPECIAL = {
    0f,
    -0f,
    1f,
    -1f,
    Float.NaN,
    Float.POSITIVE_INFINITY,
    Float.NEGATIVE_INFINITY,
    1e-40f,
    -1e-40f,
    Float.MIN_VALUE,
    Float.MAX_VALUE,
    -Float.MAX_VALUE,
    88.5f,
    -87.3f,
    -104f,
    1e-20f,
    0.5f,
    20f,
    -20f
  };

  static List<Backend> backends() {
    return Samples.backends();
  }

  static double exact(UnaryKind kind, double x) {
    return switch (kind) {
      case NEG -> -x;
      case ABS -> Math.abs(x);
      case EXP -> Math.exp(x);
      case LOG -> Math.log(x);
      case SQRT -> Math.sqrt(x);
      case RSQRT -> 1 / Math.sqrt(x);
      case SQUARE -> x * x;
      case RECIPROCAL -> 1 / x;
      case SIN -> Math.sin(x);
      case COS -> Math.cos(x);
      case TANH -> Math.tanh(x);
      case SIGMOID -> 1 / (1 + Math.exp(-x));
      case RELU -> x < 0 ? 0 : x;
      case SILU -> x == Double.NEGATIVE_INFINITY ? 0 : x / (1 + Math.exp(-x));
      case GELU -> x == Double.NEGATIVE_INFINITY ? 0 : x / 2 * Erf.erfc(-x / Math.sqrt(2));
      case GELU_TANH ->
          x < -50
              ? 0
              : x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
      case QUICK_GELU -> x == Double.NEGATIVE_INFINITY ? 0 : x / (1 + Math.exp(-1.702 * x));
    };
  }

  /** Derivative of {@link #exact} by its formula. */
  static double slope(UnaryKind kind, double x) {
    double s = 1 / (1 + Math.exp(-x));
    return switch (kind) {
      case NEG -> -1;
      case ABS -> Math.signum(x);
      case EXP -> Math.exp(x);
      case LOG -> 1 / x;
      case SQRT -> 0.5 / Math.sqrt(x);
      case RSQRT -> -0.5 * Math.pow(x, -1.5);
      case SQUARE -> 2 * x;
      case RECIPROCAL -> -1 / (x * x);
      case SIN -> Math.cos(x);
      case COS -> -Math.sin(x);
      case TANH -> 1 / (Math.cosh(x) * Math.cosh(x));
      case SIGMOID -> s * (1 - s);
      case RELU -> x > 0 ? 1 : 0;
      case SILU -> s + x * s * (1 - s);
      case GELU ->
          Erf.erfc(-x / Math.sqrt(2)) / 2 + x * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
      case GELU_TANH -> {
        double c = 2 * Math.sqrt(2 / Math.PI);
        double p = 1 / (1 + Math.exp(-c * (x + 0.044715 * x * x * x)));
        yield p + x * p * (1 - p) * c * (1 + 3 * 0.044715 * x * x);
      }
      case QUICK_GELU -> {
        double p = 1 / (1 + Math.exp(-1.702 * x));
        yield p + 1.702 * x * p * (1 - p);
      }
    };
  }

  /** The parts of a GELU cancel: x/2 + x/2 erf; its error is measured against |x|. */
  private static double magnitude(UnaryKind kind, double x, double exact) {
    return kind.name().contains("GELU") ? Math.abs(x) : exact;
  }

  private static Tensor input(UnaryKind kind, long seed, DType dtype, long... shape) {
    Tensor x =
        POSITIVE.contains(kind)
            ? Samples.uniform(seed, 0.01, 9, shape)
            : Samples.normal(seed, shape).mul(3);
    return x.to(dtype);
  }

  @ParameterizedTest
  @EnumSource
  void unaryAgreesWithFloat64(UnaryKind kind) {
    for (Backend backend : backends()) {
      for (DType dtype : Samples.FLOATING) {
        for (long[] shape : Samples.SHAPES) {
          for (View view : View.values()) {
            Tensor x = view.of(input(kind, 7, dtype, shape));
            double[] in = Samples.doubles(x);
            Tensor y = Backends.with(backend, () -> x.apply(kind));
            assertThat(y.shape()).isEqualTo(shape);
            assertThat(y.dtype()).isEqualTo(dtype);
            double[] want = Arrays.stream(in).map(v -> exact(kind, v)).toArray();
            double[] size = new double[in.length];
            for (int i = 0; i < size.length; i++) size[i] = magnitude(kind, in[i], want[i]);
            Tolerances.check(Check.name(kind), backend.name(), want, size, y);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void unaryAtSpecialValues(UnaryKind kind) {
    for (Backend backend : backends()) {
      Tensor x = Tensor.of(SPECIAL);
      Tensor y = Backends.with(backend, () -> x.apply(kind));
      for (int i = 0; i < SPECIAL.length; i++) {
        double want = (float) exact(kind, SPECIAL[i]);
        double got = y.get(i);
        String what = "%s(%s) on %s".formatted(kind, SPECIAL[i], backend.name());
        boolean trigonometric = kind == UnaryKind.SIN || kind == UnaryKind.COS;
        if (trigonometric && Math.abs(SPECIAL[i]) > 1e6) continue; // no promise so far out
        if (Double.isNaN(want) || Double.isInfinite(want)) {
          assertThat(Double.valueOf(got)).as(what).isEqualTo(Double.valueOf(want));
        } else {
          double unit = Math.max(Math.abs(want), magnitude(kind, SPECIAL[i], want)) * 0x1p-20;
          assertThat(Math.abs(got - want))
              .as("%s = %s, want %s", what, got, want)
              .isLessThanOrEqualTo(Math.max(unit, Float.MIN_NORMAL));
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void unaryGradientAgreesWithItsFormula(UnaryKind kind) {
    for (Backend backend : backends()) {
      for (long[] shape : Samples.SHAPES) {
        Tensor x = input(kind, 8, DType.F32, shape).requireGrad(true);
        Tensor g = Samples.normal(9, shape);
        double[] in = Samples.doubles(x);
        double[] up = Samples.doubles(g);
        double[] want = new double[in.length];
        double[] size = new double[in.length];
        for (int i = 0; i < in.length; i++) {
          want[i] = up[i] * slope(kind, in[i]);
          size[i] = BOUNDED_SLOPE.contains(kind) ? up[i] : want[i];
        }
        Tensor dx = Backends.with(backend, () -> x.apply(kind).backward(g).get(x));
        String name = kind == UnaryKind.GELU_TANH ? "gelu_tanh gradient" : "unary gradient";
        Tolerances.check(name, backend.name(), want, size, dx);
      }
    }
  }

  static double exact(BinaryKind kind, double a, double b) {
    return switch (kind) {
      case ADD -> a + b;
      case SUB -> a - b;
      case MUL -> a * b;
      case DIV -> a / b;
      case MAXIMUM -> Double.isNaN(a) || Double.isNaN(b) ? Double.NaN : a > b ? a : b;
      case MINIMUM -> Double.isNaN(a) || Double.isNaN(b) ? Double.NaN : a < b ? a : b;
      case SWIGLU -> exact(UnaryKind.SILU, a) * b;
    };
  }

  @ParameterizedTest
  @EnumSource
  void binaryBroadcasts(BinaryKind kind) {
    for (Backend backend : backends()) {
      for (DType dtype : Samples.FLOATING) {
        for (long[][] shapes : BROADCASTS) {
          for (View view : View.values()) {
            Tensor a = view.of(Samples.normal(1, dtype, shapes[0]));
            Tensor b = Samples.normal(2, dtype, shapes[1]);
            Tensor y = Backends.with(backend, () -> Elementwise.binary(kind, a, b));
            double[] x = Samples.doubles(a.expand(y.shape()));
            double[] z = Samples.doubles(b.expand(y.shape()));
            double[] want = new double[x.length];
            for (int i = 0; i < x.length; i++) want[i] = exact(kind, x[i], z[i]);
            assertThat(y.dtype()).isEqualTo(dtype);
            Tolerances.check(Check.name(kind), backend.name(), want, y);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void binaryPropagatesNotANumber(BinaryKind kind) {
    for (Backend backend : backends()) {
      Tensor a = Tensor.of(new float[] {Float.NaN, 1, Float.NaN, 2});
      Tensor b = Tensor.of(new float[] {1, Float.NaN, Float.NaN, 1});
      float[] y = Backends.with(backend, () -> Elementwise.binary(kind, a, b)).toFloats();
      assertThat(y).as(kind + " on " + backend.name()).startsWith(Float.NaN, Float.NaN, Float.NaN);
      assertThat(y[3]).isFinite();
    }
  }

  @Test
  void differentTypesPromote() {
    Tensor a = Samples.normal(1, DType.BF16, 3);
    assertThat(a.add(Samples.normal(2, DType.F16, 3)).dtype()).isEqualTo(DType.F32);
    assertThat(a.add(Samples.normal(2, 3)).dtype()).isEqualTo(DType.F32);
    assertThat(a.mul(a).dtype()).isEqualTo(DType.BF16);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void swigluGradientAgreesWithItsFormula(Backend backend) {
    for (long[] shape : Samples.SHAPES) {
      Tensor gate = Samples.normal(3, shape).requireGrad(true);
      Tensor up = Samples.normal(4, shape).requireGrad(true);
      Tensor g = Samples.normal(5, shape);
      double[] a = Samples.doubles(gate);
      double[] b = Samples.doubles(up);
      double[] w = Samples.doubles(g);
      double[] da = new double[a.length];
      double[] db = new double[a.length];
      double[] size = new double[a.length];
      for (int i = 0; i < a.length; i++) {
        da[i] = w[i] * b[i] * slope(UnaryKind.SILU, a[i]);
        size[i] = w[i] * b[i];
        db[i] = w[i] * exact(UnaryKind.SILU, a[i]);
      }
      Gradients found = Backends.with(backend, () -> Elementwise.swiglu(gate, up).backward(g));
      Tolerances.check("swiglu gradient", backend.name(), da, size, found.get(gate));
      Tolerances.check("swiglu gradient", backend.name(), db, found.get(up));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void affineRoundsOnce(Backend backend) {
    for (long[] shape : Samples.SHAPES) {
      for (View view : View.values()) {
        Tensor x = view.of(Samples.normal(4, shape));
        float[] in = x.toFloats();
        float mul = 1.1f;
        float add = -0.3f;
        float[] y = Backends.with(backend, () -> Elementwise.affine(x, mul, add)).toFloats();
        for (int i = 0; i < in.length; i++) {
          assertThat(y[i]).isEqualTo(Math.fma(in[i], mul, add));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void dropoutFollowsTheGenerator(Backend backend) {
    for (long[] shape : Samples.SHAPES) {
      Tensor x = Samples.normal(5, shape).requireGrad(true);
      Rng rng = new Rng(42, 3, 5);
      Tensor y = Backends.with(backend, () -> Elementwise.dropout(x, 0.3, rng)).retain();
      assertThat(rng.position()).isEqualTo(5 + x.size());
      double[] want = Samples.doubles(x);
      double[] ones = new double[want.length];
      for (int i = 0; i < want.length; i++) {
        boolean keep = Philox.uniform(Philox.word(42, 3, 5 + i)) >= 0.3f;
        want[i] = keep ? want[i] / (1 - 0.3f) : 0;
        ones[i] = keep ? 1 / (1 - 0.3f) : 0;
      }
      Tolerances.check("dropout", backend.name(), want, y);
      Tensor dx = Backends.with(backend, () -> y.backward(Tensor.full(1, DType.F32, shape)).get(x));
      Tolerances.check("dropout", backend.name(), ones, dx);
    }
  }

  @Test
  void dropoutOfNothingIsTheTensorItself() {
    Tensor x = Samples.normal(1, 3);
    assertThat(Elementwise.dropout(x, 0, new Rng(1))).isSameAs(x);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void accumulatesInPlace(Backend backend) {
    for (long[] shape : Samples.SHAPES) {
      Tensor acc = Samples.normal(1, shape);
      Tensor x = Samples.normal(2, shape);
      float[] before = acc.toFloats();
      backend.elementwise().accumulate(acc.strided(), x.strided());
      float[] add = x.toFloats();
      float[] after = acc.toFloats();
      for (int i = 0; i < add.length; i++) assertThat(after[i]).isEqualTo(before[i] + add[i]);
    }
  }

  @Test
  void longRunsOfSeveralTasks() {
    long n = 100_003;
    Tensor x = Samples.normal(1, n);
    for (Backend backend : backends()) {
      float[] in = x.toFloats();
      float[] y = Backends.with(backend, () -> x.mul(3)).toFloats();
      for (int i = 0; i < n; i++) in[i] *= 3;
      assertThat(y).isEqualTo(in);
    }
  }

  @Test
  void mayWriteOverItsInput() {
    for (Backend backend : backends()) {
      Tensor x = Samples.normal(1, 129);
      float[] in = x.toFloats();
      backend.elementwise().binary(BinaryKind.ADD, x.strided(), x.strided(), x.strided());
      for (int i = 0; i < 129; i++) {
        assertThat(Host.getFloat(x.strided().address() + 4L * i)).isEqualTo(2 * in[i]);
      }
    }
  }

  @Test
  void errorsNameTheOperationAndBothShapes() {
    Tensor a = Tensor.zeros(2, 3);
    Tensor b = Tensor.zeros(4);
    for (BinaryKind kind : BinaryKind.values()) {
      assertThatThrownBy(() -> Elementwise.binary(kind, a, b))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining(Check.name(kind))
          .hasMessageContaining("[2, 3]")
          .hasMessageContaining("[4]");
    }
    assertThatThrownBy(() -> Tensor.of(new long[] {1}).exp())
        .hasMessageContaining("exp")
        .hasMessageContaining("I64[1]")
        .hasMessageContaining("to(DType.F32)");
    assertThatThrownBy(() -> Elementwise.compare(CompareKind.EQ, a, a.to(DType.F16)))
        .hasMessageContaining("eq")
        .hasMessageContaining("F32");
    assertThatThrownBy(() -> Elementwise.where(a, a, a))
        .hasMessageContaining("where")
        .hasMessageContaining("BOOL");
    assertThatThrownBy(() -> Elementwise.dropout(a, 1, new Rng(1)))
        .hasMessageContaining("dropout")
        .hasMessageContaining("1.0");
  }

  static List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (UnaryKind kind : UnaryKind.values()) {
      cases.add(
          new Case(
              Check.name(kind),
              x -> x.getFirst().apply(kind),
              () -> List.of(awayFromKinks(kind, 3, 5))));
    }
    for (BinaryKind kind : BinaryKind.values()) {
      for (long[][] s : new long[][][] {{{3, 5}, {3, 5}}, {{3, 1}, {5}}, {{}, {2, 3}}, {{3}, {}}}) {
        cases.add(
            new Case(
                Check.name(kind) + Arrays.deepToString(s),
                x -> Elementwise.binary(kind, x.get(0), x.get(1)),
                () -> List.of(Samples.normal(1, s[0]), Samples.uniform(2, 1.2, 3, s[1]))));
      }
    }
    cases.add(
        new Case(
            "affine",
            x -> Elementwise.affine(x.getFirst(), -1.5, 0.3),
            () -> List.of(Samples.normal(1, 3, 5))));
    cases.add(
        new Case(
            "where",
            x -> Elementwise.where(Samples.ids(1, 2, 3, 5).to(DType.BOOL), x.get(0), x.get(1)),
            () -> List.of(Samples.normal(1, 3, 1), Samples.normal(2, 2, 3, 5))));
    cases.add(
        new Case(
            "dropout",
            x -> Elementwise.dropout(x.getFirst(), 0.4, new Rng(1)),
            () -> List.of(Samples.normal(1, 3, 17))));
    return cases;
  }

  private static Tensor awayFromKinks(UnaryKind kind, long... shape) {
    if (POSITIVE.contains(kind)) return Samples.uniform(1, 0.7, 2, shape);
    if (kind != UnaryKind.RELU && kind != UnaryKind.ABS) return Samples.normal(1, shape);
    Tensor x = Samples.normal(1, shape);
    Tensor sign =
        Elementwise.compare(CompareKind.GT, x, Tensor.scalar(0)).to(DType.F32).mul(2).add(-1);
    return x.add(sign);
  }

  @TestFactory
  Stream<DynamicTest> gradients() {
    return GradientCheck.tests(cases());
  }

  @Test
  void tiesShareTheGradientOfMaximumAndMinimum() {
    for (BinaryKind kind : List.of(BinaryKind.MAXIMUM, BinaryKind.MINIMUM)) {
      Tensor a = Tensor.of(new float[] {1, 2}).requireGrad(true);
      Tensor b = Tensor.of(new float[] {1, 1}).requireGrad(true);
      Gradients found = Elementwise.binary(kind, a, b).sum().backward();
      float winner = kind == BinaryKind.MAXIMUM ? 1 : 0;
      assertThat(found.get(a).toFloats()).containsExactly(0.5f, winner);
      assertThat(found.get(b).toFloats()).containsExactly(0.5f, 1 - winner);
    }
  }
}
