package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.ReduceKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class CudaReduceTest extends CudaFixture {
  @Test
  void checksOfTheFamily() {
    assertChecks("reduce.", CudaTolerances.REDUCE);
  }

  private void check(ReduceKind kind, Strided x, int kept) {
    long[] shape = Arrays.copyOf(x.layout().shape(), kept);
    Strided e = run(empty(shape), out -> scalar.reduce().reduce(kind, x, kept, out));
    Strided a = run(empty(shape), out -> cuda.reduce().reduce(kind, x, kept, out));
    // Sums cancel: relative to the size of their terms.
    double scale = kind == ReduceKind.SUM ? Math.sqrt(x.size() / Math.max(1, e.size())) : 1;
    if (kind == ReduceKind.MAX || kind == ReduceKind.MIN) assertSame(kind + "", a, e);
    else assertClose(kind + "", a, e, CudaTolerances.REDUCE, scale);
  }

  /** Rows for a warp, for a block, in parts; many and few; columns side by side. */
  @ParameterizedTest
  @EnumSource
  void shapes(ReduceKind kind) {
    for (long[] shape :
        new long[][] {
          {1, 1},
          {1, 33},
          {7, 31},
          {9, 1024},
          {9, 1025},
          {3, 4097},
          {1, 100_003},
          {2000, 3},
          {40, 129}
        }) {
      check(kind, random(shape), 1);
      Strided turned = random(shape[1], shape[0]);
      check(kind, turned.with(turned.layout().permute(1, 0)), 1);
    }
  }

  @ParameterizedTest
  @EnumSource
  void stridesAndDimensions(ReduceKind kind) {
    Strided x = random(4, 5, 6, 7);
    check(kind, x, 0);
    check(kind, x, 1);
    check(kind, x, 4);
    check(kind, x.with(x.layout().permute(2, 0, 3, 1)), 2);
    check(kind, x.with(x.layout().permute(3, 1, 0, 2)), 1);
    check(kind, x.with(x.layout().slice(3, 1, 6).slice(1, 2, 5)), 2);
    check(kind, x.with(Layout.strided(new long[] {20, 42}, new long[] {42, -1}, 41)), 1);
    Strided one = random(1, 9, 1);
    check(kind, one.with(one.layout().expand(3, 9, 50)), 1);
  }

  @ParameterizedTest
  @EnumSource
  void specialValues(ReduceKind kind) {
    check(kind, of(1, Float.NaN, 2).with(Layout.contiguous(1, 3)), 1);
    check(kind, of(-0f, 0f, -0f, -0f).with(Layout.contiguous(2, 2)), 1);
    check(kind, of(-0f, -0f).with(Layout.contiguous(1, 2)), 1);
    float infinity = Float.POSITIVE_INFINITY;
    check(kind, of(infinity, 1, -infinity, 1).with(Layout.contiguous(2, 2)), 1);
    check(kind, of(infinity, -infinity).with(Layout.contiguous(1, 2)), 1);
    check(kind, of(-infinity, -infinity).with(Layout.contiguous(1, 2)), 1);
    Strided nothing = random(3, 0);
    check(kind, nothing, 1);
    check(kind, random(0, 3), 1);
  }

  @Test
  void argmaxTakesTheLowestIndexAndNoNaN() {
    float nan = Float.NaN;
    float infinity = Float.POSITIVE_INFINITY;
    Strided x =
        of(nan, nan, nan, 1, 2, 2, nan, -infinity, nan, -0f, 0f, -1, infinity, infinity, nan)
            .with(Layout.contiguous(5, 3));
    Strided out = empty(DType.I64, 5);
    cuda.reduce().argmax(x, out);
    assertThat(values(out)).containsExactly(0, 1, 1, 0, 0);
  }

  @Test
  void argmaxOfLongAndStridedRows() {
    for (long columns : new long[] {1, 31, 257, 3000}) {
      Strided x = random(columns, 5);
      for (long i = 0; i < x.size(); i++) set(x, i, Math.round(3 * get(x, i)));
      Strided turned = x.with(x.layout().permute(1, 0));
      Strided backwards =
          x.with(Layout.strided(new long[] {5, columns}, new long[] {1, -5}, 5 * (columns - 1)));
      for (Strided rows : new Strided[] {turned, backwards, copyOf(turned)}) {
        Strided e = run(empty(DType.I64, 5), out -> scalar.reduce().argmax(rows, out));
        Strided a = run(empty(DType.I64, 5), out -> cuda.reduce().argmax(rows, out));
        assertSame("argmax", a, e);
      }
    }
  }

  /** Whatever order threads run in, a sum has the same bits. */
  @Test
  void schedulesDoNotMatter() {
    Strided x = random(3, 20_000);
    assertSameUnderSchedules(
        () -> run(empty(3), out -> cuda.reduce().reduce(ReduceKind.SUM, x, 1, out)));
  }
}
