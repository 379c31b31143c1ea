package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.OptimKernels;
import dev.theriac.backend.ReduceKind;
import dev.theriac.backend.UnaryKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import java.util.Arrays;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class VectorReduceOptimTest extends KernelFixture {
  private void check(ReduceKind kind, Strided x, int kept) {
    long[] shape = Arrays.copyOf(x.layout().shape(), kept);
    long count = x.size() / Math.max(1, Arrays.stream(shape).reduce(1, (a, b) -> a * b));
    Strided e = run(empty(shape), o -> scalar.reduce().reduce(kind, x, kept, o));
    Strided a = run(empty(shape), o -> vector.reduce().reduce(kind, x, kept, o));
    double scale = kind == ReduceKind.SUM ? Math.sqrt(count) : 1;
    assertClose(kind + " of " + x, a, e, 1e-6, scale);
  }

  @ParameterizedTest
  @EnumSource
  void reduceAgreesWithScalar(ReduceKind kind) {
    for (long n : SIZES) {
      if (n == 0 && kind != ReduceKind.SUM) continue;
      check(kind, random(n), 0);
      check(kind, random(5, n), 1);
      Strided x = random(n, 37);
      check(kind, x.with(x.layout().permute(1, 0)), 1);
      check(kind, random(2, 3, n), 1);
    }
    check(kind, random(100_000), 0);
    check(kind, random(2, 50_000), 1);
    Strided x = random(33, 7, 200);
    check(kind, x.with(x.layout().permute(2, 0, 1)), 1);
    check(kind, x.with(x.layout().permute(1, 2, 0)), 2);
    check(kind, x.with(x.layout().permute(1, 0, 2)), 1);
    check(kind, x.with(x.layout().slice(2, 3, 90)), 2);
    Strided wide = random(1, 7, 1);
    check(kind, wide.with(wide.layout().expand(5, 7, 9)), 1);
  }

  /** NaN, both zeros and infinities, wherever they stand. */
  @Test
  void extremesOfSpecialValues() {
    float[] special = {
      Float.NaN,
      Float.intBitsToFloat(0xffc00001),
      0f,
      -0f,
      Float.NEGATIVE_INFINITY,
      Float.POSITIVE_INFINITY,
      -1e-40f,
      5f
    };
    for (int n : new int[] {1, 2, 16, 17, 100}) {
      for (float background : new float[] {0f, -0f, -3f, Float.NEGATIVE_INFINITY, Float.NaN}) {
        for (float value : special) {
          for (int at : new int[] {0, n / 2, n - 1}) {
            float[] values = new float[n];
            Arrays.fill(values, background);
            values[at] = value;
            Strided x = of(values);
            for (ReduceKind kind : new ReduceKind[] {ReduceKind.MAX, ReduceKind.MIN}) {
              Strided e = run(empty(), o -> scalar.reduce().reduce(kind, x, 0, o));
              Strided a = run(empty(), o -> vector.reduce().reduce(kind, x, 0, o));
              assertThat(values(a)).as("%s of %s", kind, x).isEqualTo(values(e));
            }
            argmax(x.with(Layout.contiguous(1, n)));
          }
        }
      }
    }
  }

  @Test
  void argmaxAgreesWithScalar() {
    for (int n : new int[] {1, 3, 16, 17, 129, 1000}) {
      argmax(random(7, n));
      Strided x = random(n, 7);
      argmax(x.with(x.layout().permute(1, 0)));
      argmax(x.with(x.layout().slice(1, 2, 6)));
      Strided ties = run(empty(7, n), o -> scalar.elementwise().fill(o, 2));
      argmax(ties);
    }
    argmax(random(1, 70_000));
  }

  private void argmax(Strided x) {
    Strided e = run(empty(DType.I64, x.size(0)), o -> scalar.reduce().argmax(x, o));
    Strided a = run(empty(DType.I64, x.size(0)), o -> vector.reduce().argmax(x, o));
    assertThat(values(a)).as("argmax of %s", x).isEqualTo(values(e));
  }

  @Test
  void adamWAgreesWithScalar() {
    for (long n : SIZES) {
      Strided[] s = {random(n), random(n), random(n), random(n)};
      vector.elementwise().unary(UnaryKind.SQUARE, s[3], s[3]);
      Strided[] v = Arrays.stream(s).map(KernelFixture::copyOf).toArray(Strided[]::new);
      for (int step = 1; step < 4; step++) {
        var options = new OptimKernels.AdamW(1e-2, 0.9, 0.999, 1e-8, 0.1, step);
        scalar.optim().adamW(s[0], s[1], s[2], s[3], 0.5f, options);
        vector.optim().adamW(v[0], v[1], v[2], v[3], 0.5f, options);
      }
      for (int i = 0; i < 4; i++) assertClose("adamW " + i, v[i], s[i], 2e-6, 1);
    }
  }

  @Test
  void sgdAgreesWithScalar() {
    for (long n : SIZES) {
      Strided p = random(n);
      Strided g = random(n);
      Strided b = random(n);
      Strided q = copyOf(p);
      Strided c = copyOf(b);
      scalar.optim().sgd(p, g, null, 0.5f, 0.1, 0, 0.01);
      vector.optim().sgd(q, g, null, 0.5f, 0.1, 0, 0.01);
      scalar.optim().sgd(p, g, b, 0.5f, 0.1, 0.9, 0.01);
      vector.optim().sgd(q, g, c, 0.5f, 0.1, 0.9, 0.01);
      assertClose("parameter", q, p, 1e-6, 1);
      assertClose("buffer", c, b, 1e-6, 1);
    }
  }

  @Test
  void zerosAreFound() {
    for (int n : new int[] {1, 3, 17, 129, 1000, 5000}) {
      Strided x = empty(3, n);
      boolean[] out = new boolean[3];
      vector.elementwise().fill(x, -0f);
      vector.optim().nonZero(x, out);
      assertThat(out).containsOnly(false);
      for (int at : new int[] {0, n / 2, n - 1}) {
        for (float value : new float[] {Float.NaN, Float.MIN_VALUE, -1}) {
          vector.elementwise().fill(x, 0);
          Host.setFloat(x.address() + 4L * (n + at), value);
          vector.optim().nonZero(x, out);
          assertThat(out).containsExactly(false, true, false);
        }
      }
    }
  }

  /** Long slices are read in blocks that grow. */
  @Test
  void oneElementIsFoundWhereverItStands() {
    boolean[] out = new boolean[1];
    for (int n : new int[] {1000, 5000, 40_000}) {
      Strided x = empty(1, n);
      vector.elementwise().fill(x, 0);
      for (int at = 0; at < n; at++) {
        Host.setFloat(x.address() + 4L * at, 1e-30f);
        vector.optim().nonZero(x, out);
        if (!out[0]) throw new AssertionError("element " + at + " of " + n);
        Host.setFloat(x.address() + 4L * at, 0);
      }
    }
  }

  @Test
  void sumOfSquaresIsFloat64() {
    for (long n : new long[] {0, 1, 7, 8, 129, 100_000}) {
      Strided x = random(n);
      double expected = scalar.optim().sumOfSquares(x);
      assertThat(vector.optim().sumOfSquares(x))
          .isCloseTo(expected, Percentage.withPercentage(1e-10));
    }
    assertThat(vector.optim().sumOfSquares(of(1e30f, 1e30f)))
        .isCloseTo(2e60, Percentage.withPercentage(1e-4));
  }

  @Test
  void bitsDoNotDependOnThreads() {
    Strided x = random(500, 300);
    Strided t = x.with(x.layout().permute(1, 0));
    assertSameForThreads(() ->
        new Strided[] {
          run(empty(500), o -> vector.reduce().reduce(ReduceKind.SUM, x, 1, o)),
          run(empty(), o -> vector.reduce().reduce(ReduceKind.SUM, x, 0, o)),
          run(empty(300), o -> vector.reduce().reduce(ReduceKind.SUM, t, 1, o)),
          of((float) vector.optim().sumOfSquares(x))
        });
  }

  @Test
  void warmCallsAllocateNothing() {
    Strided x = random(64, 100);
    Strided t = x.with(x.layout().permute(1, 0));
    Strided out = empty(64);
    Strided columns = empty(100);
    Strided[] s = {random(6400), random(6400), random(6400)};
    var step = new OptimKernels.AdamW(1e-3, 0.9, 0.999, 1e-8, 0, 5);
    assertWarmCallAllocatesNothing(
        "row sums", () -> vector.reduce().reduce(ReduceKind.SUM, x, 1, out));
    assertWarmCallAllocatesNothing(
        "row maxima", () -> vector.reduce().reduce(ReduceKind.MAX, x, 1, out));
    Strided ids = empty(DType.I64, 64);
    assertWarmCallAllocatesNothing("argmax", () -> vector.reduce().argmax(x, ids));
    assertWarmCallAllocatesNothing(
        "column sums", () -> vector.reduce().reduce(ReduceKind.SUM, t, 1, columns));
    assertWarmCallAllocatesNothing(
        "adamW", () -> vector.optim().adamW(s[0], s[1], s[2], s[2], 1, step));
    assertWarmCallAllocatesNothing(
        "sgd", () -> vector.optim().sgd(s[0], s[1], s[2], 1, 1e-3, 0.9, 0));
    assertWarmCallAllocatesNothing("sum of squares", () -> vector.optim().sumOfSquares(x));
  }
}
