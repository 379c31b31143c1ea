package dev.theriac.cuda;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class CudaIndexTest extends CudaFixture {
  /** Rows are moved, and sums taken in the scalar back end's order: no difference at all. */
  @Test
  void checksOfTheFamily() {
    assertChecks("index.", 0);
  }

  private Strided ids(long below, long... shape) {
    Strided x = empty(DType.I64, shape);
    for (long i = 0; i < x.size(); i++) Host.setLong(x.address() + 8 * i, rng.nextInt((int) below));
    return x;
  }

  private static Strided zeros(long... shape) {
    Strided x = empty(shape);
    for (long i = 0; i < x.size(); i++) set(x, i, 0);
    return x;
  }

  /** Rows of an odd number of bytes, and tables that begin at odd elements. */
  @ParameterizedTest
  @EnumSource
  void gatherRowsOfEveryType(DType dtype) {
    for (long width : new long[] {1, 3, 8, 17, 32}) {
      Strided room = empty(dtype, 11 * width + 1);
      for (long i = 0; i < room.size(); i++) Host.set(dtype, room.address(), i, i % 100);
      for (long offset : new long[] {0, 1}) {
        Strided table =
            room.with(Layout.strided(new long[] {11, width}, new long[] {width, 1}, offset));
        for (long n : new long[] {0, 1, 50, 300}) {
          Strided ids = ids(11, n);
          Strided e = run(empty(dtype, n, width), o -> scalar.index().gatherRows(table, ids, o));
          Strided a = run(empty(dtype, n, width), o -> cuda.index().gatherRows(table, ids, o));
          assertSame("gatherRows of " + dtype, a, e);
        }
      }
    }
  }

  /** Few and many ids, none twice, all the same; more rows than a block sorts. */
  @Test
  void scatterRowsAddsInOrder() {
    for (long[] shape :
        new long[][] {
          {0, 3, 5},
          {1, 1, 1},
          {37, 4, 5},
          {300, 1, 33},
          {1500, 700, 3},
          {2100, 70_000, 2},
          {1025, 256, 1}
        }) {
      Strided x = random(shape[0], shape[2]);
      Strided ids = ids(shape[1], shape[0]);
      Strided e = run(zeros(shape[1], shape[2]), o -> scalar.index().scatterRows(x, ids, o));
      Strided a = run(zeros(shape[1], shape[2]), o -> cuda.index().scatterRows(x, ids, o));
      assertSame("scatterRows", a, e);
    }
  }

  @Test
  void columns() {
    for (long k : new long[] {0, 1, 5, 128, 129, 1000}) {
      for (long rows : new long[] {0, 1, 7}) {
        Strided x = random(rows, 90);
        Strided ids = ids(90, rows, k);
        Strided e = run(empty(rows, k), o -> scalar.index().gatherColumns(x, ids, o));
        Strided a = run(empty(rows, k), o -> cuda.index().gatherColumns(x, ids, o));
        assertSame("gatherColumns", a, e);
        Strided y = random(rows, k);
        Strided f = run(zeros(rows, 90), o -> scalar.index().scatterColumns(y, ids, o));
        Strided b = run(zeros(rows, 90), o -> cuda.index().scatterColumns(y, ids, o));
        assertSame("scatterColumns", b, f);
      }
    }
  }

  @Test
  void topKIsTheTotalOrder() {
    for (long columns : new long[] {1, 5, 64, 200, 1500}) {
      for (long rows : new long[] {0, 1, 6, 9}) {
        Strided x = random(rows, columns);
        for (long i = 0; i < x.size(); i++) {
          float value = get(x, i);
          // Many ties, both zeros, NaN of both signs and infinities.
          float special = SPECIAL[(int) (i % SPECIAL.length)];
          set(x, i, i % 3 == 0 ? special : Math.round(2 * value) * (value < 0 ? 1 : -0f));
          if (i % 11 == 0) set(x, i, Float.intBitsToFloat(0xffc00000));
        }
        for (int k : new int[] {1, 2, 8, 32, 33, 200, 1500}) {
          if (k > columns) continue;
          Strided[] e = {empty(rows, k), empty(DType.I64, rows, k)};
          Strided[] a = {empty(rows, k), empty(DType.I64, rows, k)};
          scalar.index().topK(x, k, e[0], e[1]);
          cuda.index().topK(x, k, a[0], a[1]);
          assertSame("topK indices", a[1], e[1]);
          assertSame("topK values", a[0], e[0]);
        }
      }
    }
  }

  @Test
  void schedulesDoNotMatter() {
    Strided x = random(1500, 4);
    Strided ids = ids(60, 1500);
    assertSameUnderSchedules(() -> run(zeros(60, 4), o -> cuda.index().scatterRows(x, ids, o)));
    Strided y = random(2, 700);
    assertSameUnderSchedules(
        () -> run(empty(DType.I64, 2, 40), o -> cuda.index().topK(y, 40, empty(2, 40), o)));
  }
}
