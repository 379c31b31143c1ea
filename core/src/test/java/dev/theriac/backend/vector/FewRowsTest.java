package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.FewRowsProduct.assertSameBits;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.theriac.backend.Workers;
import dev.theriac.backend.vector.Matrices.Order;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Products of few rows: the bits of a loop of fused multiply-adds, and so of all other products.
 */
class FewRowsTest {

  private static final int[] COLUMNS = {16, 17, 63};
  private static final int[] DEPTHS = {32, 33, 63, 129};

  @BeforeEach
  void useKernelsAtOnce() {
    assumeTrue(JitDirectives.LARGE_KERNELS, "the compiler's first tier would take these kernels");
    FewRowsWarmUp.always = true;
  }

  @AfterEach
  void waitForKernels() {
    FewRowsWarmUp.always = false;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4})
  void oddShapes(int rows) {
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      for (int columns : COLUMNS) {
        for (int depth : DEPTHS) {
          for (Order order : Order.values()) {
            check(new FewRowsProduct(rows, columns, depth, type, order));
          }
        }
      }
    }
  }

  @Test
  void startsFromBiasOrFromWhatIsThere() {
    for (int rows = 1; rows <= FewRows.MOST; rows++) {
      FewRowsProduct product = new FewRowsProduct(rows, 37, 71, DType.F32, Order.ROWS);
      product.bias = Matrices.values(5, 37);
      check(product);
      product = new FewRowsProduct(rows, 37, 71, DType.F32, Order.ROWS);
      product.accumulate = true;
      check(product);
    }
  }

  @Test
  void gathersRows() {
    for (int rows = 1; rows <= FewRows.MOST; rows++) {
      FewRowsProduct product = new FewRowsProduct(9, 33, 40, DType.BF16, Order.ROWS);
      product.rows = rows;
      product.index = new long[] {7, 0, 7, 3};
      check(product);
    }
  }

  /** Each special value alone in every column, over rows that hold ordinary and extreme ones. */
  @ParameterizedTest
  @EnumSource
  void specialValuesAndWeightRowsInAnyOrder(WeightRows order) {
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      for (int rows = 1; rows <= FewRows.MOST; rows++) {
        FewRowsProduct product = new FewRowsProduct(rows, 21, 67, type, Order.ROWS);
        product.b = order.matrix(product.b);
        set(product.a, rows - 1, 5, 0f); // beside an infinity
        set(product.a, rows - 1, 12, 1e-40f);
        if (rows > 1) set(product.a, 0, 66, Float.NEGATIVE_INFINITY);
        for (float special : KernelFixture.SPECIAL) {
          for (int j = 0; j < product.columns; j++) set(product.b, j * 7 % 67, j, special);
          check(product);
          for (int j = 0; j < product.columns; j++) set(product.b, j * 7 % 67, j, 0.5f);
        }
      }
    }
  }

  /** Where the rows of the weights lie, which are the columns of the product's right side. */
  private enum WeightRows {
    FORWARDS,
    BACKWARDS,
    ALL_THE_SAME;

    Strided matrix(Strided b) {
      long[] shape = b.layout().shape();
      long step = b.stride(1);
      long last = (shape[1] - 1) * step;
      return switch (this) {
        case FORWARDS -> b;
        case BACKWARDS ->
            b.with(Layout.strided(shape, new long[] {1, -step}, b.layout().offset() + last));
        case ALL_THE_SAME -> b.with(Layout.strided(shape, new long[] {1, 0}, b.layout().offset()));
      };
    }
  }

  private static void set(Strided x, long row, long column, float value) {
    Host.set(x.dtype(), x.address(), row * x.stride(0) + column * x.stride(1), value);
  }

  @Test
  void computesPairsAndSaysWhenColumnsAreComplete() {
    FewRowsProduct product = new FewRowsProduct(3, 1000, 64, DType.F32, Order.ROWS);
    product.pair = true;
    product.bias = Matrices.values(5, 1000);
    check(product);
    assertThat(product.finished.cardinality()).isEqualTo(1000);
  }

  @Test
  void manyProductsShareTasks() {
    FewRowsProduct product = new FewRowsProduct(2, 20, 40, DType.F32, Order.ROWS);
    product.count = 300;
    check(product);
  }

  /** Rows, sums and operands of their own in each product, empty ones among them. */
  @Test
  void productsOfOneCallKeepTheirOwnRows() {
    int threads = Workers.threads();
    int[] rows = {0, 1, 3, 2, 4, 0, 1};
    int[] depths = {0, 67, 64, 40, 67, 50, 33};
    try {
      for (DType type : new DType[] {DType.F32, DType.BF16}) {
        for (int count = 1; count <= 3; count += 2) {
          Workers.setThreads(count);
          FewRowsProduct[] own = new FewRowsProduct[rows.length];
          for (int g = 0; g < own.length; g++)
            own[g] = new FewRowsProduct(4, 33, 67, type, 3 * g + 5);
          assertThat(FewRows.run(new FewRowsProduct.Different(own, rows, depths), own[0].shape()))
              .isTrue();
          for (int g = 0; g < own.length; g++) {
            for (int r = 0; r < rows[g]; r++) {
              for (int j = 0; j < 33; j++) {
                float expected = own[g].chain(r, j, 0, depths[g]);
                assertSameBits(Matrices.get(own[g].c, r, j), expected);
              }
            }
          }
        }
      }
    } finally {
      Workers.setThreads(threads);
    }
  }

  @Test
  void refusesWhatOthersDoBetter() {
    assertThat(new FewRowsProduct(FewRows.MOST + 1, 64, 64, DType.F32, Order.ROWS).run()).isFalse();
    assertThat(new FewRowsProduct(1, 15, 64, DType.F32, Order.ROWS).run()).isFalse();
    assertThat(new FewRowsProduct(1, 64, 3, DType.F32, Order.ROWS).run()).isFalse();
    assertThat(new FewRowsProduct(1, 64, 64, DType.F16, Order.ROWS).run()).isFalse();
  }

  @Test
  void aRowHasTheSameBitsInAnyBatchAndForAnyNumberOfThreads() {
    int threads = Workers.threads();
    Strided a = Matrices.matrix(40, 129, Order.ROWS, 1);
    try {
      for (DType type : new DType[] {DType.F32, DType.BF16}) {
        Strided b = Matrices.matrix(129, 800, Order.COLUMNS, type, 2);
        Strided all = product(a, b);
        for (int count = 1; count <= 3; count++) {
          Workers.setThreads(count);
          for (int rows = 1; rows <= 6; rows++) {
            Strided some = product(a.with(a.layout().slice(0, 30, 30 + rows)), b);
            for (int i = 0; i < rows; i++) {
              for (int j = 0; j < 800; j++) {
                Matrices.assertSame(Matrices.get(some, i, j), Matrices.get(all, 30 + i, j));
              }
            }
          }
        }
      }
    } finally {
      Workers.setThreads(threads);
    }
  }

  /**
   * Also the test that no kernel stays boxed: that one would never get up to speed. What is left is
   * the object by which the workers see the call, of 40 bytes: calls from several threads each need
   * one of their own, and one that is kept would hold on to the operands.
   */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4})
  void warmCallsAllocateOnlyTheirDescription(int rows) throws InterruptedException {
    FewRowsWarmUp.always = false;
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      boolean half = type == DType.BF16;
      assertThat(FewRowsWarmUp.await(FewRowsWarmUp.bit(half, rows), 300)).isTrue();
      FewRowsProduct product = new FewRowsProduct(rows, 512, 1024, type, Order.ROWS);
      GemmF32.Shape shape = product.shape();
      Runnable call =
          () -> {
            if (!FewRows.run(product, shape)) throw new AssertionError("not taken");
          };
      for (int i = 0; i < 50; i++) call.run();
      KernelFixture.assertWarmCallAllocates(
          rows + " rows, " + type, 48, KernelFixture.THREADS::getCurrentThreadAllocatedBytes, call);
    }
  }

  private static Strided product(Strided a, Strided b) {
    Strided c = Matrices.values(0, a.size(0), b.size(1));
    new VectorMatmul().matmul(a, b, null, c, false);
    return c;
  }

  private static void check(FewRowsProduct product) {
    Strided old = Matrices.values(9, product.c.size(0), product.c.size(1));
    assertThat(product.run()).isTrue();
    for (int g = 0; g < product.count; g++) {
      for (int r = 0; r < product.rows; r++) {
        int row = product.index == null ? r : (int) product.index[r];
        for (int j = 0; j < product.columns; j++) {
          float start = product.bias == null ? 0 : Matrices.get(product.bias, j);
          if (product.accumulate) start = Matrices.get(old, r, j);
          float expected = product.chain(row, j, start);
          assertSameBits(Matrices.get(product.c, r, j), expected);
          if (product.pair) assertSameBits(Matrices.get(product.c2, r, j), expected);
        }
      }
    }
  }
}
