package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.CompareKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Copies, filling, comparisons and choices, for every element type. */
class CudaMovesTest extends CudaFixture {
  /** Values at which conversions have edges: of each type's range, halves, and between. */
  private static final double[] EDGES = {
    0,
    -0.0,
    1,
    -1,
    0.5,
    -0.5,
    1.5,
    2.5,
    126.9,
    127,
    128,
    -128,
    -129,
    255,
    256,
    300.7,
    65504,
    65519,
    65520,
    65536,
    -65520,
    6.1e-5,
    6.0e-8,
    2.9e-8,
    2.98023223876953125e-8,
    1e-40,
    1.00390625,
    1.01171875,
    16777217,
    2147483647,
    2147483648.0,
    -2147483649.0,
    1e18,
    9.3e18,
    -9.3e18,
    3.39e38,
    1e39,
    Double.POSITIVE_INFINITY,
    Double.NEGATIVE_INFINITY
  };

  private static Strided edges(DType dtype) {
    Strided x = empty(dtype, EDGES.length);
    for (int i = 0; i < EDGES.length; i++) Host.set(dtype, x.address(), i, EDGES[i]);
    if (dtype == DType.BOOL) Host.setByte(x.address() + 3, (byte) 77);
    return x;
  }

  @ParameterizedTest
  @EnumSource
  void convertsLikeTheCpu(DType from) {
    for (DType to : DType.values()) {
      Strided x = edges(from);
      Strided e = run(empty(to, EDGES.length), y -> scalar.elementwise().copy(x, y));
      Strided a = run(empty(to, EDGES.length), y -> cuda.elementwise().copy(x, y));
      assertSame(from + " to " + to, a, e);
    }
  }

  /** No long between these is a float. */
  @Test
  void longsAreRoundedOnce() {
    long near = (1L << 54) + (1L << 30) + 1;
    Strided x = ofLongs(near, -near, near - 2, Long.MAX_VALUE, Long.MIN_VALUE, 0x1_0000_00ffL);
    for (DType to : DType.values()) {
      Strided e = run(empty(to, x.size()), y -> scalar.elementwise().copy(x, y));
      Strided a = run(empty(to, x.size()), y -> cuda.elementwise().copy(x, y));
      assertSame("I64 to " + to, a, e);
    }
  }

  @Test
  void notANumberStaysOneOrBecomesZero() {
    Strided x = of(Float.NaN, 1, Float.intBitsToFloat(0xffc00001));
    for (DType to : DType.values()) {
      Strided e = run(empty(to, 3), y -> scalar.elementwise().copy(x, y));
      Strided a = run(empty(to, 3), y -> cuda.elementwise().copy(x, y));
      assertThat(values(a)).as(to + "").isEqualTo(values(e));
    }
    Strided same = run(empty(3), y -> cuda.elementwise().copy(x, y));
    assertSame("bits of NaN", same, x);
  }

  @ParameterizedTest
  @EnumSource
  void copiesFromAndToAnyStrides(DType dtype) {
    for (DType to : new DType[] {dtype, dtype == DType.F32 ? DType.BF16 : DType.F32}) {
      Strided x = empty(dtype, 6, 7, 9);
      for (long i = 0; i < x.size(); i++) Host.set(dtype, x.address(), i, i % 100);
      Strided turned = x.with(x.layout().permute(2, 0, 1));
      check(turned, empty(to, 9, 6, 7));
      Strided room = empty(to, 8, 10, 9);
      check(x, room.with(room.layout().slice(0, 1, 7).slice(1, 3, 10)));
      Strided back = empty(to, 9, 6, 7);
      check(x, back.with(back.layout().permute(1, 2, 0)));
      long[] strides = {-63, 9, -1};
      check(x.with(Layout.strided(new long[] {6, 7, 9}, strides, 5 * 63 + 8)), empty(to, 6, 7, 9));
      Strided one = empty(dtype, 1);
      Host.set(dtype, one.address(), 0, 1);
      check(one.with(one.layout().expand(33, 40)), empty(to, 33, 40));
      check(x.with(x.layout().slice(0, 2, 2)), empty(to, 0, 7, 9));
    }
  }

  private void check(Strided x, Strided out) {
    Strided all = out.with(Layout.contiguous(out.storage().byteSize() / out.dtype().bytes()));
    if (out.size() > 0) scalar.elementwise().fill(all, 3);
    Strided clean = copyOf(all);
    scalar.elementwise().copy(x, out);
    Strided e = copyOf(all);
    scalar.elementwise().copy(clean, all);
    cuda.elementwise().copy(x, out);
    assertSame("copy of " + x + " to " + out, all, e);
  }

  @ParameterizedTest
  @EnumSource
  void fills(DType dtype) {
    for (double value : new double[] {0, 0.75, 1, -3, 200, 1e10}) {
      Strided e = empty(dtype, 5, 300);
      Strided a = empty(dtype, 5, 300);
      scalar.elementwise().fill(e, value);
      cuda.elementwise().fill(a, value);
      assertSame(dtype + " of " + value, a, e);
      // Every second column.
      Layout holes = Layout.strided(new long[] {5, 150}, new long[] {300, 2}, 1);
      scalar.elementwise().fill(e.with(holes), value + 1);
      cuda.elementwise().fill(a.with(holes), value + 1);
      assertSame(dtype + " of " + value + " with holes", a, e);
    }
  }

  @ParameterizedTest
  @EnumSource
  void compares(DType dtype) {
    Strided x = empty(dtype, 40, 30);
    Strided y = empty(dtype, 30, 40);
    for (long i = 0; i < x.size(); i++) {
      Host.set(dtype, x.address(), i, rng.nextInt(5) - 2);
      Host.set(dtype, y.address(), i, rng.nextInt(5) - 2);
    }
    if (dtype.isFloating()) Host.set(dtype, x.address(), 7, Double.NaN);
    if (dtype.isFloating()) Host.set(dtype, x.address(), 8, -0.0);
    if (dtype == DType.I64) {
      Host.setLong(x.address(), (1L << 60) + 1);
      Host.setLong(y.address(), 1L << 60);
    }
    Strided turned = y.with(y.layout().permute(1, 0));
    Strided row = x.with(x.layout().slice(0, 3, 4).expand(40, 30));
    for (CompareKind kind : CompareKind.values()) {
      for (Strided other : new Strided[] {turned, row, x}) {
        Strided e =
            run(empty(DType.BOOL, 40, 30), o -> scalar.elementwise().compare(kind, x, other, o));
        Strided a =
            run(empty(DType.BOOL, 40, 30), o -> cuda.elementwise().compare(kind, x, other, o));
        assertSame(kind + " of " + dtype, a, e);
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void chooses(DType dtype) {
    Strided condition = empty(DType.BOOL, 33, 1);
    for (long i = 0; i < 33; i++) Host.set(DType.BOOL, condition.address(), i, rng.nextInt(2));
    Strided x = empty(dtype, 33, 41);
    Strided y = empty(dtype, 41, 33);
    for (long i = 0; i < x.size(); i++) {
      Host.set(dtype, x.address(), i, i % 100);
      Host.set(dtype, y.address(), i, -(i % 90));
    }
    Strided mask = condition.with(condition.layout().expand(33, 41));
    Strided turned = y.with(y.layout().permute(1, 0));
    Strided e = run(empty(dtype, 33, 41), o -> scalar.elementwise().where(mask, x, turned, o));
    Strided a = run(empty(dtype, 33, 41), o -> cuda.elementwise().where(mask, x, turned, o));
    assertSame("where of " + dtype, a, e);
    Strided nothing = x.with(x.layout().slice(0, 0, 0));
    Strided none = mask.with(mask.layout().slice(0, 0, 0));
    cuda.elementwise().where(none, nothing, nothing, empty(dtype, 0, 41));
  }
}
