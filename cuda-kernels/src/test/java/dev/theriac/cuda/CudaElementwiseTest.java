package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.UnaryKind;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Functions of floats; {@link CudaMovesTest} has copies, comparisons and choices. */
class CudaElementwiseTest extends CudaFixture {
  private static final long[] SIZES = {0, 1, 3, 4, 5, 1023, 1024, 1025, 2051};
  private static final Set<UnaryKind> POSITIVE =
      EnumSet.of(UnaryKind.LOG, UnaryKind.SQRT, UnaryKind.RSQRT);

  @Test
  void checksOfTheFamily() {
    assertChecks("elementwise.", CudaTolerances.ELEMENTWISE);
  }

  private Strided inputs(UnaryKind kind, long n) {
    Strided x = random(n);
    for (long i = 0; i < n; i++) {
      float value = 3 * get(x, i);
      set(x, i, POSITIVE.contains(kind) ? Math.abs(value) + 0.01f : value);
    }
    return x;
  }

  @ParameterizedTest
  @EnumSource
  void unaryAgreesWithScalar(UnaryKind kind) {
    for (long n : SIZES) {
      Strided x = inputs(kind, n);
      Strided e = run(empty(n), y -> scalar.elementwise().unary(kind, x, y));
      Strided a = run(empty(n), y -> cuda.elementwise().unary(kind, x, y));
      assertClose(kind + "", a, e, CudaTolerances.UNARY, 0);
    }
  }

  @ParameterizedTest
  @EnumSource
  void unaryOfSpecialValues(UnaryKind kind) {
    Strided x = of(SPECIAL);
    Strided e = run(empty(SPECIAL.length), y -> scalar.elementwise().unary(kind, x, y));
    Strided a = run(empty(SPECIAL.length), y -> cuda.elementwise().unary(kind, x, y));
    assertCloseWithSigns(kind + "", a, e, CudaTolerances.UNARY, 1e-31);
  }

  @ParameterizedTest
  @EnumSource
  void gradientAgreesWithScalar(UnaryKind kind) {
    for (long n : SIZES) {
      Strided x = inputs(kind, n);
      Strided g = random(n);
      Strided y = run(empty(n), o -> scalar.elementwise().unary(kind, x, o));
      Strided e = run(empty(n), d -> scalar.elementwise().unaryGradient(kind, x, y, g, d));
      Strided a = run(empty(n), d -> cuda.elementwise().unaryGradient(kind, x, y, g, d));
      // Derivatives of the GELUs cross zero: relative to the gradient's own size there.
      assertClose(kind + " gradient", a, e, CudaTolerances.UNARY_GRADIENT, 1);
    }
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
      Strided a = run(empty(n), d -> cuda.elementwise().unaryGradient(kind, x, y, g, d));
      // From RELU on the sign of a gradient of 0 is not promised.
      if (kind.compareTo(UnaryKind.RELU) >= 0) {
        assertClose(kind + "", a, e, CudaTolerances.UNARY_GRADIENT, 1);
      } else {
        assertCloseWithSigns(kind + "", a, e, CudaTolerances.UNARY_GRADIENT, 1);
      }
    }
  }

  /** Near multiples of pi/2, where digits are lost unless pi is known to many, and far out. */
  @Test
  void sineOfHardArguments() {
    float[] values = new float[3000];
    for (int k = 0; k < 1000; k++) {
      float near = (float) (k * Math.PI / 2);
      values[3 * k] = near;
      values[3 * k + 1] = -Math.nextUp(near);
      values[3 * k + 2] = k % 10 == 0 ? near * 1e6f : Math.nextDown(near);
    }
    Strided x = of(values);
    for (UnaryKind kind : new UnaryKind[] {UnaryKind.SIN, UnaryKind.COS}) {
      Strided e = run(empty(values.length), y -> scalar.elementwise().unary(kind, x, y));
      Strided a = run(empty(values.length), y -> cuda.elementwise().unary(kind, x, y));
      assertClose(kind + "", a, e, CudaTolerances.UNARY, 0);
    }
  }

  /** In the middle of a tensor, at any alignment, in place, an element gives the same bits. */
  @ParameterizedTest
  @EnumSource
  void positionDoesNotMatter(UnaryKind kind) {
    int n = 50;
    Strided x = run(empty(n), o -> scalar.elementwise().fill(o, 0.3));
    Strided y = run(empty(n), o -> cuda.elementwise().unary(kind, x, o));
    Strided room = run(empty(n + 2), o -> scalar.elementwise().fill(o, 7));
    Strided view = room.with(Layout.strided(new long[] {n - 1}, new long[] {1}, 1));
    cuda.elementwise().unary(kind, x.with(x.layout().slice(0, 1, n)), view);
    Strided inPlace = copyOf(x);
    cuda.elementwise().unary(kind, inPlace, inPlace);
    for (int i = 0; i < n; i++) {
      assertThat(get(y, i)).isEqualTo(get(y, 0));
      assertThat(get(inPlace, i)).isEqualTo(get(y, 0));
      if (i > 0) assertThat(get(room, i)).isEqualTo(get(y, 0));
    }
    assertThat(get(room, 0)).isEqualTo(7);
    assertThat(get(room, n)).isEqualTo(7);
    assertThat(get(room, n + 1)).isEqualTo(7);
  }

  @ParameterizedTest
  @EnumSource
  void binaryAgreesWithScalar(BinaryKind kind) {
    for (long n : SIZES) checkBinary(kind, random(n), random(n));
    checkBinary(
        kind, of(SPECIAL), run(empty(SPECIAL.length), o -> scalar.elementwise().fill(o, -3)));
    Strided nan = of(Float.NaN, 1, Float.NaN, 0f, -0f, -0f);
    checkBinary(kind, nan, of(1, Float.NaN, Float.NaN, -0f, 0f, -0f));
  }

  /** Rows, columns, scalars, transposed, reversed and sliced operands. */
  @ParameterizedTest
  @EnumSource
  void binaryBroadcasts(BinaryKind kind) {
    Strided full = random(5, 6, 8);
    for (Strided other :
        new Strided[] {
          random(8),
          random(1, 6, 1),
          random(5, 1, 1),
          random(1),
          random(6, 8),
          permuted(random(8, 6, 5), 2, 1, 0),
          permuted(random(5, 8, 6), 0, 2, 1),
          reversed(random(5, 6, 8)),
          slice(random(5, 6, 11), 2, 2, 10),
          slice(random(5, 12, 8), 1, 4, 10),
          slice(random(5, 6, 12), 2, 4, 12)
        }) {
      Strided b = other.with(other.layout().expand(5, 6, 8));
      checkBinary(kind, full, b);
      checkBinary(kind, b, full);
    }
    // Of one column, and of sizes that are no multiples of four.
    checkBinary(kind, random(7, 5), expand(random(7, 1), 7, 5));
    checkBinary(kind, expand(random(7, 1), 7, 300), expand(random(300), 7, 300));
  }

  private static Strided expand(Strided x, long... shape) {
    return x.with(x.layout().expand(shape));
  }

  private static Strided permuted(Strided x, int... dims) {
    return x.with(x.layout().permute(dims));
  }

  private static Strided slice(Strided x, int dim, long from, long to) {
    return x.with(x.layout().slice(dim, from, to));
  }

  /** Every stride negative, from the last element. */
  private static Strided reversed(Strided x) {
    long[] strides = x.layout().strides();
    for (int i = 0; i < strides.length; i++) strides[i] = -strides[i];
    return x.with(Layout.strided(x.layout().shape(), strides, x.size() - 1));
  }

  private void checkBinary(BinaryKind kind, Strided a, Strided b) {
    long[] shape = a.layout().shape();
    Strided e = run(empty(shape), y -> scalar.elementwise().binary(kind, a, b, y));
    Strided c = run(empty(shape), y -> cuda.elementwise().binary(kind, a, b, y));
    if (kind == BinaryKind.SWIGLU) assertClose(kind + "", c, e, CudaTolerances.UNARY, 1e-31);
    else assertCloseWithSigns(kind + "", c, e, 0, 0);
  }

  @Test
  void moreDimensionsThanKernelsTakeAreJoinedOrRefused() {
    long[] shape = new long[10];
    java.util.Arrays.fill(shape, 2);
    Strided x = random(shape);
    checkBinary(BinaryKind.ADD, x, random(shape));
    int[] backwards = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
    Strided turned = permuted(x, backwards);
    assertThatThrownBy(() -> cuda.elementwise().unary(UnaryKind.NEG, turned, empty(shape)))
        .hasMessageContaining("unary", "more than 8 dimensions", "contiguous()");
  }

  @Test
  void outputsWithGapsAreRefused() {
    Strided out = permuted(empty(4, 3), 1, 0);
    assertThatThrownBy(() -> cuda.elementwise().unary(UnaryKind.NEG, random(3, 4), out))
        .hasMessageContaining("unary", "not contiguous");
  }

  @Test
  void swigluGradientAgreesWithScalar() {
    for (long n : SIZES) {
      Strided gate = random(n);
      Strided up = random(n);
      Strided grad = random(n);
      Strided[] e = {empty(n), empty(n)};
      Strided[] a = {empty(n), empty(n)};
      scalar.elementwise().swigluGradient(gate, up, grad, e[0], e[1]);
      cuda.elementwise().swigluGradient(gate, up, grad, a[0], a[1]);
      for (int i = 0; i < 2; i++) {
        assertClose("swiglu gradient", a[i], e[i], CudaTolerances.UNARY_GRADIENT, 1);
      }
    }
  }

  @Test
  void affineIsRoundedOnce() {
    Strided x = permuted(random(37, 53), 1, 0);
    Strided e = run(empty(53, 37), y -> scalar.elementwise().affine(x, 1 / 3f, 0.1f, y));
    Strided a = run(empty(53, 37), y -> cuda.elementwise().affine(x, 1 / 3f, 0.1f, y));
    assertSame("affine", a, e);
  }

  @Test
  void dropoutIsThatOfTheCpu() {
    for (long n : SIZES) {
      for (long offset : new long[] {0, 1, 2, 3, (1L << 34) + 1}) {
        for (float p : new float[] {0, 0.1f, 0.5f}) {
          Strided x = random(n);
          long seed = 0x9876_5432_1234_5678L;
          Strided e = run(empty(n), y -> scalar.elementwise().dropout(x, p, seed, -5, offset, y));
          Strided a = run(empty(n), y -> cuda.elementwise().dropout(x, p, seed, -5, offset, y));
          assertSame("dropout", a, e);
        }
      }
    }
  }

  @Test
  void accumulateAdds() {
    for (long n : SIZES) {
      Strided sum = random(n);
      Strided x = random(n);
      Strided e = copyOf(sum);
      scalar.elementwise().accumulate(e, x);
      cuda.elementwise().accumulate(sum, x);
      assertSame("accumulate", sum, e);
    }
  }

  @Test
  void schedulesDoNotMatter() {
    Strided x = random(2051);
    Strided y = random(2051);
    assertSameUnderSchedules(
        () -> run(empty(2051), o -> cuda.elementwise().binary(BinaryKind.SWIGLU, x, y, o)));
  }
}
