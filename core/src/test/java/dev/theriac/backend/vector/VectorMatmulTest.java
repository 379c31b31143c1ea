package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.sun.management.ThreadMXBean;
import dev.theriac.backend.Workers;
import dev.theriac.backend.vector.Matrices.Order;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import java.lang.management.ManagementFactory;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The product is held against two scalar loops: one in float64, for its accuracy, and one of fused
 * multiply-adds in the order of k, whose bits it promises.
 */
class VectorMatmulTest {

  private static final int[] SIZES = {0, 1, 3, 17, 129};

  private final VectorMatmul matmul = new VectorMatmul();
  private int threads;

  /** Also the test that no kernel stays boxed: that one would never get up to speed. */
  @BeforeAll
  static void awaitCompiledKernels() throws InterruptedException {
    assertThat(GemmWarmUp.await(300)).as("kernels up to speed").isTrue();
  }

  @BeforeEach
  void rememberThreads() {
    threads = Workers.threads();
  }

  @AfterEach
  void restore() {
    Workers.setThreads(threads);
    GemmWarmUp.use(true);
  }

  @ParameterizedTest
  @EnumSource(Order.class)
  void oddShapes(Order left) {
    for (Order right : Order.values()) {
      for (int m : SIZES) {
        for (int n : SIZES) {
          for (int k : SIZES) {
            check(Matrices.matrix(m, k, left, 1), Matrices.matrix(k, n, right, 2), null);
          }
        }
      }
    }
  }

  @Test
  void scalarStandInGivesTheSameBits() {
    GemmWarmUp.use(false);
    oddShapes(Order.ROWS);
    shapesAcrossBlockEdges(153, 177, 390);
  }

  /** Sizes just over the blocks of rows (96), columns (48 to 288), k (1024, 2048) and tiles. */
  @ParameterizedTest
  @CsvSource({
    "145,49,385",
    "153,577,20",
    "9,1200,770",
    "520,33,48",
    "8,64,300",
    "5,100,129",
    "2,47,513",
    "1,145,1025",
    "300,1,400",
    "37,16,1153",
    "600,600,31",
    "4,4,2000",
    "40,100,2100",
    "17,97,4100",
    "25,300,340"
  })
  void shapesAcrossBlockEdges(int m, int n, int k) {
    for (Order left : Order.values()) {
      for (Order right : Order.values()) {
        check(Matrices.matrix(m, k, left, 3), Matrices.matrix(k, n, right, 4), null);
      }
    }
  }

  @Test
  void biasStartsTheSums() {
    for (int n : new int[] {1, 17, 129, 600}) {
      Strided bias = Matrices.values(7, n);
      check(Matrices.matrix(19, 33, Order.ROWS, 5), Matrices.matrix(33, n, Order.COLUMNS, 6), bias);
      check(Matrices.matrix(3, 0, Order.ROWS, 5), Matrices.matrix(0, n, Order.ROWS, 6), bias);
    }
  }

  @Test
  void accumulatesOntoWhatIsThere() {
    for (int k : new int[] {0, 1, 40, 800}) {
      Strided a = Matrices.matrix(21, k, Order.ROWS, 8);
      Strided b = Matrices.matrix(k, 70, Order.ROWS, 9);
      Strided c = Matrices.values(10, 21, 70);
      Strided old = Matrices.values(10, 21, 70);
      matmul.matmul(a, b, null, c, true);
      for (int i = 0; i < 21; i++) {
        for (int j = 0; j < 70; j++) {
          float expected = chain(Matrices.get(old, i, j), a, b, i, j);
          Matrices.assertSame(Matrices.get(c, i, j), expected);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 7})
  void bitsDoNotDependOnThreads(int count) {
    Strided a = Matrices.matrix(413, 389, Order.ROWS, 11);
    Strided b = Matrices.matrix(389, 611, Order.COLUMNS, 12);
    Workers.setThreads(1);
    Strided alone = product(a, b, null);
    Workers.setThreads(count);
    for (int round = 0; round < 3; round++) {
      assertThat(product(a, b, null)).satisfies(c -> assertSameBits(c, alone));
    }
  }

  @Test
  void rowHasTheSameBitsAloneAndInABatch() {
    Strided a = Matrices.matrix(100, 777, Order.ROWS, 13);
    for (Order order : Order.values()) {
      Strided b = Matrices.matrix(777, 93, order, 14);
      Strided all = product(a, b, null);
      for (int rows : new int[] {1, 2, 5, 8, 9}) {
        Strided some = product(a.with(a.layout().slice(0, 50, 50 + rows)), b, null);
        for (int i = 0; i < rows; i++) {
          for (int j = 0; j < 93; j++) {
            Matrices.assertSame(Matrices.get(some, i, j), Matrices.get(all, 50 + i, j));
          }
        }
      }
    }
  }

  @Test
  void batchesWithAnyStrides() {
    Strided a = Matrices.values(15, 3, 4, 5, 19);
    Strided b = Matrices.values(16, 4, 3, 19, 21);
    checkBatches(a, b.with(b.layout().permute(1, 0, 2, 3)));
    // heads split out of a row, as attention has them
    Strided heads =
        a.with(Layout.strided(new long[] {3, 5, 4, 19}, new long[] {380, 19, 95, 1}, 0));
    checkBatches(
        heads.with(heads.layout().permute(0, 2, 1, 3)), b.with(b.layout().permute(1, 0, 2, 3)));
    // broadcast on either side
    Strided one = Matrices.values(17, 19, 21);
    checkBatches(a, one.with(one.layout().expand(3, 4, 19, 21)));
    Strided row = Matrices.values(18, 4, 5, 19);
    checkBatches(
        row.with(row.layout().expand(3, 4, 5, 19)), b.with(b.layout().permute(1, 0, 2, 3)));
    checkBatches(
        heads.with(heads.layout().permute(0, 2, 1, 3)),
        one.with(one.layout().expand(3, 4, 19, 21)));
  }

  @Test
  void manySmallProductsShareTasks() {
    Strided a = Matrices.values(19, 1000, 1, 3, 7);
    Strided b = Matrices.values(20, 1000, 1, 7, 5);
    checkBatches(a, b);
    Strided none = Matrices.values(20, 0, 1, 7, 5);
    matmul.matmul(
        Matrices.values(1, 0, 1, 3, 7), none, null, Matrices.values(1, 0, 1, 3, 5), false);
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"BF16", "F16"})
  void halfPrecisionWeightsAreWidened(DType type) {
    for (Order order : Order.values()) {
      for (int n : new int[] {1, 17, 100}) {
        for (int k : new int[] {1, 31, 400}) {
          check(
              Matrices.matrix(11, k, Order.ROWS, 21), Matrices.matrix(k, n, order, type, 22), null);
        }
      }
    }
  }

  @Test
  void notANumberAndInfinityPass() {
    Strided a = Matrices.matrix(9, 20, Order.ROWS, 23);
    Strided b = Matrices.matrix(20, 50, Order.ROWS, 24);
    Host.setFloat(a.address() + 4 * (2 * a.stride(0) + 3), Float.NaN);
    Host.setFloat(b.address() + 4 * (5 * b.stride(0) + 7), Float.POSITIVE_INFINITY);
    Strided c = product(a, b, null);
    for (int i = 0; i < 9; i++) {
      for (int j = 0; j < 50; j++) {
        float value = Matrices.get(c, i, j);
        assertThat(Float.isNaN(value)).isEqualTo(i == 2);
        assertThat(Float.isInfinite(value)).isEqualTo(i != 2 && j == 7);
      }
    }
  }

  @Test
  void refusesIntegerWeights() {
    Strided b = Matrices.matrix(3, 2, Order.ROWS, DType.I32, 1);
    assertThatThrownBy(() -> product(Matrices.matrix(1, 3, Order.ROWS, 1), b, null))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("I32");
  }

  /**
   * A kernel that the compiler has failed to keep in registers boxes every vector: megabytes a
   * call. Warm-up ends when calls stop allocating, so this fails only if they never do.
   */
  @ParameterizedTest
  @CsvSource({"ROWS,ROWS", "ROWS,COLUMNS", "COLUMNS,ROWS", "COLUMNS,COLUMNS"})
  void warmCallAllocatesNothing(Order left, Order right) {
    Workers.setThreads(1);
    Strided a = Matrices.matrix(173, 401, left, 25);
    Strided b = Matrices.matrix(401, 221, right, 26);
    Strided c = Matrices.empty(Layout.contiguous(173, 221), DType.F32);
    ThreadMXBean bean = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(120);
    long allocated = Long.MAX_VALUE;
    for (int quiet = 0; quiet < 20 && System.nanoTime() < deadline; ) {
      long before = bean.getCurrentThreadAllocatedBytes();
      matmul.matmul(a, b, null, c, false);
      allocated = bean.getCurrentThreadAllocatedBytes() - before;
      quiet = allocated < 2048 ? quiet + 1 : 0;
    }
    assertThat(allocated).as("bytes allocated by a warm call").isLessThan(2048);
  }

  private void check(Strided a, Strided b, Strided bias) {
    Strided c = product(a, b, bias);
    int m = (int) a.size(0);
    int n = (int) b.size(1);
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        float actual = Matrices.get(c, i, j);
        float start = bias == null ? 0 : Matrices.get(bias, j);
        if (actual != chain(start, a, b, i, j)) {
          assertThat(actual).as("%s x %s at %d,%d", a, b, i, j).isEqualTo(chain(start, a, b, i, j));
        }
      }
    }
    // Accuracy on a few entries: k roundings of at most half an ulp of the sum so far.
    for (int t = 0; t < Math.min(20, m * n); t++) {
      int i = t * 31 % m;
      int j = t * 17 % n;
      double exact = bias == null ? 0 : Matrices.get(bias, j);
      double size = Math.abs(exact);
      for (int k = 0; k < a.size(1); k++) {
        double term = (double) Matrices.get(a, i, k) * Matrices.get(b, k, j);
        exact += term;
        size += Math.abs(term);
      }
      double bound = (a.size(1) + 1) * 0x1p-24 * size;
      assertThat((double) Matrices.get(c, i, j)).isCloseTo(exact, within(bound));
    }
    assertUntouchedAfter(c);
  }

  private void checkBatches(Strided a, Strided b) {
    Strided c =
        Matrices.empty(Layout.contiguous(a.size(0), a.size(1), a.size(2), b.size(3)), DType.F32);
    matmul.matmul(a, b, null, c, false);
    for (int x = 0; x < a.size(0); x++) {
      for (int y = 0; y < a.size(1); y++) {
        Strided left = matrix(a, x, y);
        Strided right = matrix(b, x, y);
        for (int i = 0; i < a.size(2); i++) {
          for (int j = 0; j < b.size(3); j++) {
            Matrices.assertSame(Matrices.get(c, x, y, i, j), chain(0, left, right, i, j));
          }
        }
      }
    }
    assertUntouchedAfter(c);
  }

  private static Strided matrix(Strided x, int first, int second) {
    Layout l = x.layout();
    return x.with(
        Layout.strided(
            new long[] {l.size(2), l.size(3)},
            new long[] {l.stride(2), l.stride(3)},
            l.offset() + first * l.stride(0) + second * l.stride(1)));
  }

  private Strided product(Strided a, Strided b, Strided bias) {
    Strided c = Matrices.empty(Layout.contiguous(a.size(0), b.size(1)), DType.F32);
    matmul.matmul(a, b, bias, c, false);
    return c;
  }

  private static float chain(float start, Strided a, Strided b, int i, int j) {
    float sum = start;
    long x = a.address() + 4L * i * a.stride(0);
    long y = b.address() + 4L * j * b.stride(1);
    int depth = (int) a.size(1);
    if (b.dtype() == DType.F32) {
      long xStep = 4 * a.stride(1);
      long yStep = 4 * b.stride(0);
      for (int k = 0; k < depth; k++) {
        sum = Math.fma(Host.getFloat(x + k * xStep), Host.getFloat(y + k * yStep), sum);
      }
    } else {
      for (int k = 0; k < depth; k++) {
        sum = Math.fma(Matrices.get(a, i, k), Matrices.get(b, k, j), sum);
      }
    }
    return sum;
  }

  private static void assertUntouchedAfter(Strided c) {
    for (long i = c.size(); i < c.size() + 64; i++) {
      assertThat(Host.getInt(c.address() + 4 * i)).as("element past the end").isEqualTo(-1);
    }
  }

  private static void assertSameBits(Strided x, Strided y) {
    for (long i = 0; i < x.size(); i++) {
      if (Host.getInt(x.address() + 4 * i) != Host.getInt(y.address() + 4 * i)) {
        assertThat(Host.getFloat(x.address() + 4 * i))
            .as("element %d", i)
            .isEqualTo(Host.getFloat(y.address() + 4 * i));
      }
    }
  }
}
