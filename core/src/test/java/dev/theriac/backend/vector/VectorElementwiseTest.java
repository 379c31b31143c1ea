package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.UnaryKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class VectorElementwiseTest extends KernelFixture {
  private Strided inputs(UnaryKind kind, long n) {
    Strided x = random(n);
    for (long i = 0; i < n; i++) {
      float value = Host.getFloat(x.address() + 4 * i) * 3;
      if (kind == UnaryKind.LOG || kind == UnaryKind.SQRT || kind == UnaryKind.RSQRT) {
        value = Math.abs(value) + 0.01f;
      }
      Host.setFloat(x.address() + 4 * i, value);
    }
    return x;
  }

  @ParameterizedTest
  @EnumSource
  void unaryAgreesWithScalar(UnaryKind kind) {
    for (long n : SIZES) {
      Strided x = inputs(kind, n);
      Strided expected = run(empty(n), y -> scalar.elementwise().unary(kind, x, y));
      Strided actual = run(empty(n), y -> vector.elementwise().unary(kind, x, y));
      assertClose(kind + "", actual, expected, tolerance(kind), 0);
    }
  }

  /** The tanh form's argument, cubic in x, is rounded before the exponential: 64 ulp at x = -9. */
  private static double tolerance(UnaryKind kind) {
    return kind == UnaryKind.GELU_TANH ? 1e-5 : 2e-6;
  }

  @ParameterizedTest
  @EnumSource
  void unarySpecialValues(UnaryKind kind) {
    Strided x = of(SPECIAL);
    Strided expected = run(empty(SPECIAL.length), y -> scalar.elementwise().unary(kind, x, y));
    Strided actual = run(empty(SPECIAL.length), y -> vector.elementwise().unary(kind, x, y));
    // Tiny results of the sigmoid family are flushed to zero: at 89 times 1e-38 that shows.
    double scale = kind == UnaryKind.EXP ? 0 : 1e-30;
    assertCloseWithSigns(kind + "", actual, expected, tolerance(kind), scale);
  }

  @ParameterizedTest
  @EnumSource
  void gradientOfSpecialValues(UnaryKind kind) {
    Strided x = of(SPECIAL);
    int n = SPECIAL.length;
    Strided y = run(empty(n), o -> scalar.elementwise().unary(kind, x, o));
    for (float grad : new float[] {1, -3}) {
      Strided g = run(empty(n), o -> scalar.elementwise().fill(o, grad));
      Strided e = run(empty(n), d -> scalar.elementwise().unaryGradient(kind, x, y, g, d));
      Strided a = run(empty(n), d -> vector.elementwise().unaryGradient(kind, x, y, g, d));
      // From RELU on a derivative of 0 gives +0 here, whatever the arriving gradient's sign.
      if (kind.compareTo(UnaryKind.RELU) >= 0) assertClose(kind + "", a, e, 2e-6, 1);
      else assertCloseWithSigns(kind + "", a, e, 2e-6, 1);
    }
  }

  /** Where the formulas are infinity times 0. */
  @Test
  void derivativesAtInfinityAreTheirLimits() {
    Strided x = of(Float.NEGATIVE_INFINITY, Float.POSITIVE_INFINITY);
    Strided g = of(1, 1);
    for (UnaryKind kind :
        new UnaryKind[] {
          UnaryKind.SILU, UnaryKind.QUICK_GELU, UnaryKind.GELU, UnaryKind.GELU_TANH
        }) {
      for (var backend : new dev.theriac.backend.Backend[] {scalar, vector}) {
        Strided y = run(empty(2), o -> backend.elementwise().unary(kind, x, o));
        Strided d = run(empty(2), o -> backend.elementwise().unaryGradient(kind, x, y, g, o));
        assertThat(values(d)).as("%s on %s", kind, backend.name()).containsExactly(0, 1);
      }
    }
  }

  /** Near multiples of pi/2, where digits are lost unless pi is known to many, and far out. */
  @Test
  void sineOfHardArguments() {
    float[] values = new float[3 * 5300];
    for (int k = 0; k < 5300; k++) {
      float near = (float) (k * Math.PI / 2);
      values[3 * k] = near;
      values[3 * k + 1] = -Math.nextUp(near);
      values[3 * k + 2] = k % 100 == 0 ? near * 1e6f : Math.nextDown(near);
    }
    Strided x = of(values);
    for (UnaryKind kind : new UnaryKind[] {UnaryKind.SIN, UnaryKind.COS}) {
      Strided e = run(empty(values.length), y -> scalar.elementwise().unary(kind, x, y));
      Strided a = run(empty(values.length), y -> vector.elementwise().unary(kind, x, y));
      assertClose(kind + "", a, e, 4 * 0x1p-24, 0);
    }
    // In place, with elements that take the long way.
    Strided y = copyOf(x);
    vector.elementwise().unary(UnaryKind.SIN, y, y);
    Strided apart = run(empty(values.length), o -> vector.elementwise().unary(UnaryKind.SIN, x, o));
    assertThat(bits(y)).isEqualTo(bits(apart));
  }

  @ParameterizedTest
  @EnumSource
  void gradientAgreesWithScalar(UnaryKind kind) {
    for (long n : SIZES) {
      Strided x = inputs(kind, n);
      Strided g = random(n);
      Strided y = run(empty(n), o -> scalar.elementwise().unary(kind, x, o));
      Strided e = run(empty(n), d -> scalar.elementwise().unaryGradient(kind, x, y, g, d));
      Strided a = run(empty(n), d -> vector.elementwise().unaryGradient(kind, x, y, g, d));
      // The derivatives of the GELU family cross zero: relative to the gradient's own size there.
      assertClose(kind + "", a, e, 2e-6, 1);
    }
  }

  @ParameterizedTest
  @EnumSource
  void gradientOfLargeArgumentsIsFinite(UnaryKind kind) {
    Strided x = of(1e4f, -1e4f, 1e10f, -1e10f, 130f, -130f, 88f, -88f, 17f, -17f, 1e30f, -1e30f);
    long n = x.size();
    if (kind.compareTo(UnaryKind.TANH) < 0) return;
    Strided g = of(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
    Strided y = run(empty(n), o -> scalar.elementwise().unary(kind, x, o));
    Strided e = run(empty(n), d -> scalar.elementwise().unaryGradient(kind, x, y, g, d));
    Strided a = run(empty(n), d -> vector.elementwise().unaryGradient(kind, x, y, g, d));
    assertClose(kind + "", a, e, 2e-6, 1e-6);
  }

  /** Every position of a vector and of the remainder gives the same bits. */
  @ParameterizedTest
  @EnumSource
  void positionDoesNotMatter(UnaryKind kind) {
    float[] values = new float[50];
    for (float special : new float[] {0.3f, -2.7f, 11f, 1e-3f}) {
      java.util.Arrays.fill(values, special);
      Strided x = of(values);
      Strided y = run(empty(50), o -> vector.elementwise().unary(kind, x, o));
      Strided d = run(empty(50), o -> vector.elementwise().unaryGradient(kind, x, y, x, o));
      // Views one element further along: other alignment, other remainder.
      Strided shifted = run(empty(60), o -> scalar.elementwise().fill(o, 0));
      Strided view = shifted.with(Layout.strided(new long[] {49}, new long[] {1}, 1));
      vector.elementwise().unary(kind, x.with(x.layout().slice(0, 1, 50)), view);
      for (int i = 1; i < 50; i++) {
        assertThat(Host.getInt(y.address() + 4L * i)).isEqualTo(Host.getInt(y.address()));
        assertThat(Host.getInt(d.address() + 4L * i)).isEqualTo(Host.getInt(d.address()));
        assertThat(Host.getInt(view.address() + 4L * (i - 1))).isEqualTo(Host.getInt(y.address()));
      }
      assertThat(Host.getFloat(shifted.address())).isZero();
      assertThat(Host.getFloat(shifted.address() + 200)).isZero();
    }
  }

  /** An element gives the same bits whatever stands beside it, out of range or not a number. */
  @ParameterizedTest
  @EnumSource
  void neighboursDoNotMatter(UnaryKind kind) {
    int n = 200;
    Strided plain = inputs(kind, n);
    Strided mixed = copyOf(plain);
    for (int i = 0; i < n; i += 7) {
      Host.setFloat(mixed.address() + 4L * i, SPECIAL[i / 7 % SPECIAL.length]);
    }
    Strided y = run(empty(n), o -> vector.elementwise().unary(kind, plain, o));
    Strided z = run(empty(n), o -> vector.elementwise().unary(kind, mixed, o));
    Strided d = run(empty(n), o -> vector.elementwise().unaryGradient(kind, plain, y, plain, o));
    Strided e = run(empty(n), o -> vector.elementwise().unaryGradient(kind, mixed, z, plain, o));
    for (int i = 0; i < n; i++) {
      if (i % 7 == 0) continue;
      assertThat(Host.getInt(z.address() + 4L * i)).isEqualTo(Host.getInt(y.address() + 4L * i));
      assertThat(Host.getInt(e.address() + 4L * i)).isEqualTo(Host.getInt(d.address() + 4L * i));
    }
  }

  @ParameterizedTest
  @EnumSource
  void binaryAgreesWithScalar(BinaryKind kind) {
    for (long n : SIZES) {
      Strided a = random(n);
      Strided b = random(n);
      check(kind, a, b);
    }
    check(kind, of(SPECIAL), run(empty(SPECIAL.length), o -> scalar.elementwise().fill(o, -3)));
    Strided nan = of(Float.NaN, 1, Float.NaN, 0f, -0f);
    check(kind, nan, of(1, Float.NaN, Float.NaN, -0f, 0f));
  }

  /** Large operands are read in another order. */
  @Test
  void binaryOfLargeOperands() {
    int n = (1 << 20) + 37;
    Strided a = empty(n);
    Strided b = empty(n);
    for (int i = 0; i < n; i++) {
      Host.setFloat(a.address() + 4L * i, i);
      Host.setFloat(b.address() + 4L * i, 0.37f * i);
    }
    for (BinaryKind kind : new BinaryKind[] {BinaryKind.ADD, BinaryKind.MAXIMUM}) {
      Strided e = run(empty(n), y -> scalar.elementwise().binary(kind, a, b, y));
      Strided v = run(empty(n), y -> vector.elementwise().binary(kind, a, b, y));
      assertThat(java.util.Arrays.equals(bits(v), bits(e))).isTrue();
    }
  }

  private void check(BinaryKind kind, Strided a, Strided b) {
    long[] shape = a.layout().shape();
    Strided expected = run(empty(shape), y -> scalar.elementwise().binary(kind, a, b, y));
    Strided actual = run(empty(shape), y -> vector.elementwise().binary(kind, a, b, y));
    assertClose(kind + "", actual, expected, 1e-6, 1e-30);
  }

  @ParameterizedTest
  @EnumSource
  void binaryWithStrides(BinaryKind kind) {
    Strided full = random(9, 7, 33);
    for (long[] shape : new long[][] {{33}, {7, 33}, {1, 1, 1}, {7, 1}, {9, 1, 33}, {9, 1, 1}}) {
      Strided part = random(shape);
      Strided wide = part.with(part.layout().expand(9, 7, 33));
      check(kind, full, wide);
      check(kind, wide, full);
      check(kind, wide, wide);
    }
    Strided turned = random(33, 9, 7);
    check(kind, full, turned.with(turned.layout().permute(1, 2, 0)));
    check(kind, turned.with(turned.layout().permute(1, 2, 0)), full);
    Strided cut = random(9, 7, 70);
    check(kind, cut.with(cut.layout().slice(2, 5, 38)), full);
    Strided large = random(300, 515);
    Strided bias = random(515);
    check(kind, large, bias.with(bias.layout().expand(300, 515)));
    Strided column = random(300, 1);
    check(kind, column.with(column.layout().expand(300, 515)), large);
  }

  @Test
  void unaryOfStridedInputs() {
    Strided x = random(70, 40, 9);
    Strided t = x.with(x.layout().permute(2, 0, 1));
    Strided expected = run(empty(9, 70, 40), y -> scalar.elementwise().unary(UnaryKind.SILU, t, y));
    Strided actual = run(empty(9, 70, 40), y -> vector.elementwise().unary(UnaryKind.SILU, t, y));
    assertClose("silu", actual, expected, 1e-6, 0);
    Strided e = run(empty(9, 70, 40), y -> scalar.elementwise().affine(t, 2.5f, -1f, y));
    Strided a = run(empty(9, 70, 40), y -> vector.elementwise().affine(t, 2.5f, -1f, y));
    assertThat(bits(a)).isEqualTo(bits(e));
  }

  @Test
  void swigluGradientAgreesWithScalar() {
    for (long n : SIZES) {
      Strided gate = random(n);
      Strided up = random(n);
      Strided g = random(n);
      Strided[] out = {empty(n), empty(n), empty(n), empty(n)};
      scalar.elementwise().swigluGradient(gate, up, g, out[0], out[1]);
      vector.elementwise().swigluGradient(gate, up, g, out[2], out[3]);
      assertClose("dgate", out[2], out[0], 2e-6, 1);
      assertClose("dup", out[3], out[1], 2e-6, 0);
    }
  }

  @Test
  void whereCopyFillAndAccumulate() {
    for (long n : SIZES) {
      Strided condition = empty(DType.BOOL, n);
      for (long i = 0; i < n; i++) Host.setByte(condition.address() + i, (byte) (i % 3 & 1));
      Strided a = random(n);
      Strided b = random(1);
      Strided wide = b.with(b.layout().expand(n));
      Strided e = run(empty(n), o -> scalar.elementwise().where(condition, a, wide, o));
      Strided v = run(empty(n), o -> vector.elementwise().where(condition, a, wide, o));
      assertThat(bits(v)).isEqualTo(bits(e));
      assertThat(bits(run(empty(n), o -> vector.elementwise().copy(a, o)))).isEqualTo(bits(a));
      Strided filled = run(empty(n), o -> vector.elementwise().fill(o, -2.5));
      assertThat(values(filled)).containsOnly(n == 0 ? new double[0] : new double[] {-2.5});
      Strided sum = copyOf(a);
      Strided sumV = copyOf(a);
      scalar.elementwise().accumulate(sum, e);
      vector.elementwise().accumulate(sumV, e);
      assertThat(bits(sumV)).isEqualTo(bits(sum));
    }
  }

  @ParameterizedTest
  @EnumSource
  void copiesBetweenLayouts(DType dtype) {
    Strided x = empty(dtype, 5, 70, 33);
    for (long i = 0; i < x.size(); i++) Host.set(dtype, x.address(), i, rng.nextInt(100));
    for (int[] order : new int[][] {{0, 1, 2}, {0, 2, 1}, {2, 0, 1}, {1, 0, 2}}) {
      Strided t = x.with(x.layout().permute(order));
      Strided e = run(empty(dtype, t.layout().shape()), o -> scalar.elementwise().copy(t, o));
      Strided a = run(empty(dtype, t.layout().shape()), o -> vector.elementwise().copy(t, o));
      assertThat(bits(a)).isEqualTo(bits(e));
      Strided back = empty(dtype, 5, 70, 33);
      vector.elementwise().copy(a, back.with(back.layout().permute(order)));
      assertThat(bits(back)).isEqualTo(bits(x));
    }
  }

  @Test
  void dropoutKeepsTheSameElementsAsScalar() {
    for (long n : new long[] {0, 1, 3, 17, 129, 1000, 70_001}) {
      Strided x = random(n);
      for (long offset : new long[] {0, 1, 2, 3, (1L << 34) + 1}) {
        Strided e = run(empty(n), o -> scalar.elementwise().dropout(x, 0.3f, 5, 9, offset, o));
        Strided a = run(empty(n), o -> vector.elementwise().dropout(x, 0.3f, 5, 9, offset, o));
        assertClose("dropout", a, e, 2e-7, 0);
      }
    }
  }

  @Test
  void bitsDoNotDependOnThreads() {
    Strided x = random(400, 515);
    Strided bias = random(515);
    Strided wide = bias.with(bias.layout().expand(400, 515));
    assertSameForThreads(() ->
        new Strided[] {
          run(empty(400, 515), o -> vector.elementwise().unary(UnaryKind.GELU, x, o)),
          run(empty(400, 515), o -> vector.elementwise().binary(BinaryKind.ADD, x, wide, o)),
          run(empty(400, 515), o -> vector.elementwise().dropout(x, 0.5f, 1, 2, 3, o))
        });
  }

  @Test
  void warmCallsAllocateNothing() {
    Strided x = random(5000);
    Strided y = random(5000);
    Strided out = random(5000);
    for (UnaryKind kind :
        new UnaryKind[] {
          UnaryKind.GELU, UnaryKind.QUICK_GELU, UnaryKind.EXP, UnaryKind.TANH, UnaryKind.SIN
        }) {
      assertWarmCallAllocatesNothing(kind + "", () -> vector.elementwise().unary(kind, x, out));
      assertWarmCallAllocatesNothing(
          kind + " gradient", () -> vector.elementwise().unaryGradient(kind, x, y, y, out));
    }
    for (BinaryKind kind : new BinaryKind[] {BinaryKind.ADD, BinaryKind.SWIGLU}) {
      assertWarmCallAllocatesNothing(kind + "", () -> vector.elementwise().binary(kind, x, y, out));
    }
    assertWarmCallAllocatesNothing(
        "swiglu gradient", () -> vector.elementwise().swigluGradient(x, y, y, out, out));
  }
}
