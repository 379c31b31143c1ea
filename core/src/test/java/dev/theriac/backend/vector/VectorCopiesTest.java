package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.CompareKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Conversions of types, transpositions, comparisons and choices: equal to scalar, bit for bit. */
class VectorCopiesTest extends KernelFixture {
  private static final float[] EDGES = {
    0x1p-14f,
    0x1.ffep-15f,
    0x1.ffdp-15f,
    0x1p-24f,
    0x1p-25f,
    0x1.000002p-25f,
    0x1.8p-24f,
    65504f,
    65519.996f,
    65520f,
    1.00048828125f,
    1.0004883f,
    1.00146484375f,
    1.00390625f,
    1.01171875f,
    Float.MAX_VALUE,
    Float.intBitsToFloat(0x7fc12345),
    Float.intBitsToFloat(0xffc00000)
  };

  private void checkCopy(Strided x, DType to) {
    long[] shape = x.layout().shape();
    Strided e = run(empty(to, shape), o -> scalar.elementwise().copy(x, o));
    Strided a = run(empty(to, shape), o -> vector.elementwise().copy(x, o));
    assertThat(bits(a)).as("%s to %s", x, to).isEqualTo(bits(e));
  }

  private Strided sample(DType type, long... shape) {
    Strided x = empty(type, shape);
    for (long i = 0; i < x.size(); i++) {
      Host.set(type, x.address(), i, type == DType.BOOL ? rng.nextInt(2) : rng.nextGaussian() * 50);
    }
    return x;
  }

  @ParameterizedTest
  @EnumSource
  void convertsLikeScalar(DType from) {
    for (DType to : DType.values()) {
      for (long n : SIZES) checkCopy(sample(from, n), to);
      Strided x = sample(from, 9, 50, 21);
      checkCopy(x.with(x.layout().permute(0, 2, 1)), to);
      checkCopy(x.with(x.layout().slice(2, 3, 20)), to);
      Strided row = sample(from, 40);
      checkCopy(row.with(row.layout().expand(3, 40)), to);
    }
  }

  @Test
  void convertsEveryHalf() {
    for (DType half : new DType[] {DType.BF16, DType.F16}) {
      Strided x = empty(half, 1 << 16);
      for (int i = 0; i < 1 << 16; i++) Host.setShort(x.address() + 2L * i, (short) i);
      Strided e = run(empty(1 << 16), o -> scalar.elementwise().copy(x, o));
      Strided a = run(empty(1 << 16), o -> vector.elementwise().copy(x, o));
      for (int i = 0; i < 1 << 16; i++) {
        float want = Host.getFloat(e.address() + 4L * i);
        float got = Host.getFloat(a.address() + 4L * i);
        assertThat(Float.floatToIntBits(got))
            .as("%s %x", half, i)
            .isEqualTo(Float.floatToIntBits(want));
      }
      checkCopy(a, half);
    }
  }

  @Test
  void roundsLikeScalar() {
    Strided all = empty(2 * (SPECIAL.length + EDGES.length));
    int n = 0;
    for (float[] part : new float[][] {SPECIAL, EDGES}) {
      for (float value : part) {
        Host.setFloat(all.address() + 4L * n++, value);
        Host.setFloat(all.address() + 4L * n++, -value);
      }
    }
    Strided random = empty(100_000);
    for (int i = 0; i < 100_000; i++) {
      int bits = rng.nextInt();
      if (!Float.isNaN(Float.intBitsToFloat(bits))) Host.setInt(random.address() + 4L * i, bits);
      else Host.setInt(random.address() + 4L * i, 0);
    }
    for (DType half : new DType[] {DType.BF16, DType.F16}) {
      checkCopy(all, half);
      checkCopy(random, half);
    }
  }

  @ParameterizedTest
  @CsvSource({"8, 8", "16, 16", "17, 9", "100, 70", "64, 200", "7, 300", "300, 7", "131, 129"})
  void transposesLikeScalar(int rows, int columns) {
    for (DType type : new DType[] {DType.F32, DType.BF16, DType.U8, DType.I64}) {
      Strided x = sample(type, rows, columns);
      checkCopy(x.with(x.layout().permute(1, 0)), type);
      Strided many = sample(type, 3, rows, 2, columns);
      for (int[] order : new int[][] {{0, 3, 2, 1}, {3, 2, 1, 0}, {2, 3, 0, 1}, {1, 3, 0, 2}}) {
        checkCopy(many.with(many.layout().permute(order)), type);
      }
      checkCopy(many.with(many.layout().slice(3, 1, columns - 1).permute(3, 0, 2, 1)), type);
      // Into a part of a larger tensor, as concatenation does.
      Strided large = sample(type, columns + 3, rows + 2);
      Strided other = copyOf(large);
      Layout inner = large.layout().slice(0, 2, columns + 2).slice(1, 1, rows + 1);
      Strided turned = x.with(x.layout().permute(1, 0));
      scalar.elementwise().copy(turned, large.with(inner));
      vector.elementwise().copy(turned, other.with(inner));
      assertThat(bits(other)).isEqualTo(bits(large));
    }
  }

  @ParameterizedTest
  @EnumSource
  void comparesLikeScalar(CompareKind kind) {
    for (long n : SIZES) compare(kind, sample(DType.F32, n), sample(DType.F32, n));
    Strided special = of(SPECIAL);
    for (float value : new float[] {0f, -0f, Float.NaN, 5f, Float.POSITIVE_INFINITY}) {
      Strided one = of(value);
      compare(kind, special, one.with(one.layout().expand(SPECIAL.length)));
      compare(kind, one.with(one.layout().expand(SPECIAL.length)), special);
    }
    compare(kind, special, special);
    Strided x = sample(DType.F32, 40, 33);
    Strided row = sample(DType.F32, 33);
    Strided column = sample(DType.F32, 40, 1);
    compare(kind, x, row.with(row.layout().expand(40, 33)));
    compare(kind, column.with(column.layout().expand(40, 33)), x);
    compare(kind, sample(DType.I64, 70), sample(DType.I64, 70));
    compare(kind, sample(DType.U8, 70), sample(DType.U8, 70));
  }

  private void compare(CompareKind kind, Strided a, Strided b) {
    long[] shape = a.layout().shape();
    Strided e = run(empty(DType.BOOL, shape), o -> scalar.elementwise().compare(kind, a, b, o));
    Strided v = run(empty(DType.BOOL, shape), o -> vector.elementwise().compare(kind, a, b, o));
    assertThat(bits(v)).as("%s of %s and %s", kind, a, b).isEqualTo(bits(e));
  }

  @Test
  void choosesLikeScalar() {
    Strided x = random(40, 33);
    Strided y = random(40, 33);
    Strided one = of(Float.NaN);
    Strided wide = one.with(one.layout().expand(40, 33));
    Strided condition = sample(DType.BOOL, 40, 33);
    Host.setByte(condition.address() + 2, (byte) 0x80);
    Host.setByte(condition.address() + 3, (byte) 2);
    Strided row = sample(DType.BOOL, 33);
    Strided column = sample(DType.BOOL, 40, 1);
    for (Strided c :
        new Strided[] {
          condition,
          row.with(row.layout().expand(40, 33)),
          column.with(column.layout().expand(40, 33))
        }) {
      where(c, x, y);
      where(c, x, wide);
      where(c, wide, y);
      where(c, wide, wide);
    }
  }

  private void where(Strided c, Strided a, Strided b) {
    Strided e = run(empty(40, 33), o -> scalar.elementwise().where(c, a, b, o));
    Strided v = run(empty(40, 33), o -> vector.elementwise().where(c, a, b, o));
    assertThat(bits(v)).isEqualTo(bits(e));
  }

  @Test
  void bitsDoNotDependOnThreads() {
    Strided x = random(700, 515);
    Strided turned = x.with(x.layout().permute(1, 0));
    assertSameForThreads(() ->
        new Strided[] {
          run(empty(515, 700), o -> vector.elementwise().copy(turned, o)),
          run(empty(DType.F16, 700, 515), o -> vector.elementwise().copy(x, o))
        });
  }

  @Test
  void warmCallsAllocateNothing() {
    Strided x = random(5000);
    Strided y = random(5000);
    Strided out = empty(5000);
    Strided truth = sample(DType.BOOL, 5000);
    assertWarmCallAllocatesNothing(
        "compare", () -> vector.elementwise().compare(CompareKind.LT, x, y, truth));
    assertWarmCallAllocatesNothing("where", () -> vector.elementwise().where(truth, x, y, out));
    for (DType half : new DType[] {DType.BF16, DType.F16}) {
      Strided h = empty(half, 5000);
      assertWarmCallAllocatesNothing("to " + half, () -> vector.elementwise().copy(x, h));
      assertWarmCallAllocatesNothing("from " + half, () -> vector.elementwise().copy(h, out));
    }
    Strided matrix = random(60, 60);
    Strided turned = matrix.with(matrix.layout().permute(1, 0));
    Strided to = empty(60, 60);
    assertWarmCallAllocatesNothing("transpose", () -> vector.elementwise().copy(turned, to));
  }
}
