package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.RopeFrequencies;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Rotary embedding, patches, and rows by index. */
class VectorMovesTest extends KernelFixture {
  private Strided positions(int batch, int length, long first) {
    long[] p = new long[batch * length];
    for (int i = 0; i < p.length; i++) p[i] = first + i % length;
    return ofLongs(p).with(Layout.contiguous(batch, length));
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, 2, 2, 0",
    "2, 17, 3, 20, 12, 0",
    "2, 50, 4, 32, 32, 7",
    "1, 3, 2, 80, 32, 2000",
    "1, 2, 1, 64, 34, 40000",
    "0, 4, 2, 8, 4, 0"
  })
  void ropeAgreesWithScalar(int b, int t, int h, int d, int rotary, long first) {
    Strided all = random(b, t, 2 * h, d);
    Strided x = all.with(all.layout().slice(2, h, 2 * h));
    Strided p = positions(b, t, first);
    RopeFrequencies f = RopeFrequencies.of(rotary, 10_000);
    for (boolean inverse : new boolean[] {false, true}) {
      Strided e = run(empty(b, t, h, d), o -> scalar.rope().rope(x, p, f, inverse, o));
      Strided a = run(empty(b, t, h, d), o -> vector.rope().rope(x, p, f, inverse, o));
      assertClose("rope", a, e, 1e-6, 1);
    }
  }

  /** Another base must not be served the table of the first. */
  @Test
  void ropeTablesAreNotMixedUp() {
    Strided x = random(1, 70, 2, 32);
    Strided p = positions(1, 70, 0);
    for (double theta : new double[] {10_000, 500_000, 10_000}) {
      for (int rotary : new int[] {32, 16}) {
        RopeFrequencies f = RopeFrequencies.of(rotary, theta);
        Strided e = run(empty(1, 70, 2, 32), o -> scalar.rope().rope(x, p, f, false, o));
        Strided a = run(empty(1, 70, 2, 32), o -> vector.rope().rope(x, p, f, false, o));
        assertClose("rope", a, e, 1e-6, 1);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 4, 4, 4",
    "2, 3, 6, 9, 3",
    "3, 1, 56, 28, 7",
    "0, 3, 8, 8, 4",
    "2, 3, 70, 140, 70"
  })
  void patchesAgreeWithScalar(int b, int c, int h, int w, int patch) {
    Strided image = random(b, c, h, w);
    long[] shape = {b, (long) (h / patch) * (w / patch), (long) c * patch * patch};
    Strided e = run(empty(shape), o -> scalar.patch().unfold(image, patch, o));
    Strided a = run(empty(shape), o -> vector.patch().unfold(image, patch, o));
    assertThat(bits(a)).isEqualTo(bits(e));
    Strided back = run(empty(b, c, h, w), o -> vector.patch().fold(a, patch, o));
    assertThat(bits(back)).isEqualTo(bits(image));
  }

  @ParameterizedTest
  @CsvSource({"5, 0, 3", "1, 1, 1", "7, 30, 17", "40, 300, 129", "3, 5, 0", "1000, 2000, 64"})
  void rowsByIndexAgreeWithScalar(int table, int n, int columns) {
    Strided rows = random(table, columns);
    long[] id = new long[n];
    for (int i = 0; i < n; i++) id[i] = rng.nextInt(table);
    Strided ids = ofLongs(id);
    Strided e = run(empty(n, columns), o -> scalar.index().gatherRows(rows, ids, o));
    Strided a = run(empty(n, columns), o -> vector.index().gatherRows(rows, ids, o));
    assertThat(bits(a)).isEqualTo(bits(e));
    Strided sum = zeros(table, columns);
    Strided sumV = zeros(table, columns);
    scalar.index().scatterRows(a, ids, sum);
    vector.index().scatterRows(a, ids, sumV);
    assertThat(bits(sumV)).isEqualTo(bits(sum));
  }

  private static Strided zeros(long... shape) {
    Strided x = empty(shape);
    for (long i = 0; i < x.size(); i++) Host.setInt(x.address() + 4 * i, 0);
    return x;
  }

  @Test
  void gathersRowsOfBytes() {
    Strided table = empty(DType.U8, 4, 13);
    for (long i = 0; i < table.size(); i++) Host.set(DType.U8, table.address(), i, i);
    Strided ids = ofLongs(3, 0, 3);
    Strided a = run(empty(DType.U8, 3, 13), o -> vector.index().gatherRows(table, ids, o));
    assertThat(values(a)[0]).isEqualTo(39);
    assertThat(values(a)[13]).isZero();
    assertThat(values(a)[38]).isEqualTo(51);
  }

  @Test
  void bitsDoNotDependOnThreads() {
    Strided x = random(2000, 67);
    long[] id = new long[2000];
    for (int i = 0; i < 2000; i++) id[i] = rng.nextInt(50);
    Strided ids = ofLongs(id);
    Strided p = positions(4, 100, 0);
    RopeFrequencies f = RopeFrequencies.of(26, 1e4);
    Strided q = random(4, 100, 4, 40);
    assertSameForThreads(() -> {
      Strided sum = zeros(50, 67);
      vector.index().scatterRows(x, ids, sum);
      Strided turned = run(empty(4, 100, 4, 40), o -> vector.rope().rope(q, p, f, false, o));
      return new Strided[] {sum, turned};
    });
  }

  @Test
  void warmCallsAllocateNothing() {
    Strided x = random(1, 50, 4, 40);
    Strided p = positions(1, 50, 0);
    RopeFrequencies f = RopeFrequencies.of(32, 1e4);
    Strided out = empty(1, 50, 4, 40);
    assertWarmCallAllocatesNothing("rope", () -> vector.rope().rope(x, p, f, false, out));
    Strided table = random(20, 40);
    Strided ids = ofLongs(1, 2, 3, 4, 5, 6);
    Strided rows = empty(6, 40);
    assertWarmCallAllocatesNothing("gather", () -> vector.index().gatherRows(table, ids, rows));
  }
}
