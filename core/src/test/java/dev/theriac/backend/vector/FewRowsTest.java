package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.theriac.backend.Workers;
import dev.theriac.backend.vector.GemmPack.Element;
import dev.theriac.backend.vector.Matrices.Order;
import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
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
            check(new Product(rows, columns, depth, type, order));
          }
        }
      }
    }
  }

  @Test
  void startsFromBiasOrFromWhatIsThere() {
    for (int rows = 1; rows <= FewRows.MOST; rows++) {
      Product product = new Product(rows, 37, 71, DType.F32, Order.ROWS);
      product.bias = Matrices.values(5, 37);
      check(product);
      product = new Product(rows, 37, 71, DType.F32, Order.ROWS);
      product.accumulate = true;
      check(product);
    }
  }

  @Test
  void gathersRows() {
    for (int rows = 1; rows <= FewRows.MOST; rows++) {
      Product product = new Product(9, 33, 40, DType.BF16, Order.ROWS);
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
        Product product = new Product(rows, 21, 67, type, Order.ROWS);
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
    Product product = new Product(3, 1000, 64, DType.F32, Order.ROWS);
    product.pair = true;
    product.bias = Matrices.values(5, 1000);
    check(product);
    assertThat(product.finished.cardinality()).isEqualTo(1000);
  }

  @Test
  void manyProductsShareTasks() {
    Product product = new Product(2, 20, 40, DType.F32, Order.ROWS);
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
          Product[] own = new Product[rows.length];
          for (int g = 0; g < own.length; g++) own[g] = new Product(4, 33, 67, type, 3 * g + 5);
          assertThat(FewRows.run(new Different(own, rows, depths), own[0].shape())).isTrue();
          for (int g = 0; g < own.length; g++) {
            for (int r = 0; r < rows[g]; r++) {
              for (int j = 0; j < 33; j++) {
                float expected = chain(own[g], r, j, 0, depths[g]);
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
    assertThat(new Product(FewRows.MOST + 1, 64, 64, DType.F32, Order.ROWS).run()).isFalse();
    assertThat(new Product(1, 15, 64, DType.F32, Order.ROWS).run()).isFalse();
    assertThat(new Product(1, 64, 3, DType.F32, Order.ROWS).run()).isFalse();
    assertThat(new Product(1, 64, 64, DType.F16, Order.ROWS).run()).isFalse();
  }

  /**
   * The rows of all products are copied into one array, of which the kernels reach 2^24 elements:
   * the last product is up against that end, and one more is one too many.
   */
  @Test
  void copiedRowsEndWhereTheKernelsReach() {
    int most = (1 << 24) / (4 * 4096);
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      for (int count = most; count <= most + 1; count++) {
        Product product = new Product(4, 17, 4096, type, Order.ROWS);
        Product[] own = new Product[count];
        Arrays.fill(own, product);
        int[] rows = new int[count];
        rows[count - 1] = 4;
        int[] depths = new int[count];
        Arrays.fill(depths, 4096);
        boolean fits = count == most;
        Strided old = Matrices.values(9, 4, 17);
        assertThat(FewRows.run(new Different(own, rows, depths), product.shape())).isEqualTo(fits);
        for (int r = 0; r < 4; r++) {
          for (int j = 0; j < 17; j++) {
            float expected = fits ? chain(product, r, j, 0) : Matrices.get(old, r, j);
            assertSameBits(Matrices.get(product.c, r, j), expected);
          }
        }
      }
    }
  }

  /** Strides of 2^27 bytes and more, in memory of which only the rows themselves are there. */
  @ParameterizedTest
  @ValueSource(longs = {-64, 0, 64})
  void rowsOfTheWeightsLieFarApart(long beyond, @TempDir Path folder) throws IOException {
    int columns = 17;
    long stride = (1L << 27) + beyond;
    Set<OpenOption> options =
        Set.of(
            StandardOpenOption.CREATE_NEW,
            StandardOpenOption.SPARSE,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE);
    try (Arena arena = Arena.ofConfined();
        FileChannel file = FileChannel.open(folder.resolve("weights"), options)) {
      MemorySegment far =
          file.map(FileChannel.MapMode.READ_WRITE, 0, (columns - 1) * stride + 4096, arena);
      for (DType type : new DType[] {DType.F32, DType.BF16}) {
        for (int rows = 1; rows <= FewRows.MOST; rows++) {
          Product product = new Product(rows, columns, 67, type, Order.ROWS);
          for (int j = 0; j < columns; j++) {
            for (int k = 0; k < 67; k++) {
              Host.set(
                  type,
                  far.address() + j * stride + (long) k * type.bytes(),
                  0,
                  Matrices.get(product.b, k, j));
            }
          }
          GemmGroups there = new Elsewhere(product, far.address());
          GemmF32.Shape near = product.shape();
          GemmF32.run(
              there,
              new GemmF32.Shape(
                  columns,
                  near.aRowStride(),
                  near.aColStride(),
                  near.bType(),
                  near.bRowStride(),
                  stride,
                  near.cRowStride(),
                  false));
          for (int r = 0; r < rows; r++) {
            for (int j = 0; j < columns; j++) {
              assertSameBits(Matrices.get(product.c, r, j), chain(product, r, j, 0));
            }
          }
        }
      }
    }
  }

  /** A product whose right side lies at another address. */
  private record Elsewhere(Product product, long b) implements GemmGroups {
    @Override
    public int count() {
      return 1;
    }

    @Override
    public int rows(int g) {
      return product.rows(g);
    }

    @Override
    public int depth(int g) {
      return product.depth(g);
    }

    @Override
    public long a(int g) {
      return product.a(g);
    }

    @Override
    public long b(int g) {
      return b;
    }

    @Override
    public long bias(int g) {
      return 0;
    }

    @Override
    public long c(int g) {
      return product.c(g);
    }
  }

  /** Memory behind a matrix may not be there. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4})
  void touchesNothingBesideTheMatrix(int rows) {
    try (Arena arena = Arena.ofConfined()) {
      for (boolean half : new boolean[] {false, true}) {
        for (int blocks = 1; blocks <= 9; blocks++) {
          long row = Lanes.BYTES * blocks;
          long stride = row + 64;
          MemorySegment w = arena.allocate(33 * stride, 64);
          for (long at = 0; at < w.byteSize(); at += 8) {
            boolean inside = at < 32 * stride && at % stride < row;
            w.set(ValueLayout.JAVA_LONG, at, inside ? 0 : 1 + at * at);
          }
          float[] x = new float[2 * Lanes.LENGTH * blocks];
          long c = arena.allocate(4 * 64, 64).address();
          long next = w.address() + 16 * stride;
          long touched =
              FewRows.kernel(half, rows, w.address(), stride, next, x, 0, 0, blocks, c, 64, c, 64);
          assertThat(touched).isZero();
          touched = FewRows.kernel(half, rows, next, stride, next, x, 0, 0, blocks, c, 64, c, 64);
          assertThat(touched).isZero();
        }
      }
    }
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
      Product product = new Product(rows, 512, 1024, type, Order.ROWS);
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

  private static void check(Product product) {
    Strided old = Matrices.values(9, product.c.size(0), product.c.size(1));
    assertThat(product.run()).isTrue();
    for (int g = 0; g < product.count; g++) {
      for (int r = 0; r < product.rows; r++) {
        int row = product.index == null ? r : (int) product.index[r];
        for (int j = 0; j < product.columns; j++) {
          float start = product.bias == null ? 0 : Matrices.get(product.bias, j);
          if (product.accumulate) start = Matrices.get(old, r, j);
          float expected = chain(product, row, j, start);
          assertSameBits(Matrices.get(product.c, r, j), expected);
          if (product.pair) assertSameBits(Matrices.get(product.c2, r, j), expected);
        }
      }
    }
  }

  /** Signs of zeros count; which NaN it is does not. */
  private static void assertSameBits(float actual, float expected) {
    int bits = Float.floatToIntBits(actual);
    if (bits != Float.floatToIntBits(expected)) {
      assertThat(bits).as("%s for %s", actual, expected).isEqualTo(Float.floatToIntBits(expected));
    }
  }

  private static float chain(Product product, int row, int column, float start) {
    return chain(product, row, column, start, product.depth);
  }

  private static float chain(Product product, int row, int column, float start, int depth) {
    float sum = start;
    for (int k = 0; k < depth; k++) {
      sum = Math.fma(Matrices.get(product.a, row, k), Matrices.get(product.b, k, column), sum);
    }
    return sum;
  }

  /** Products of different rows and sums in operands of one size. */
  private record Different(Product[] own, int[] rowCounts, int[] depths) implements GemmGroups {
    @Override
    public int count() {
      return own.length;
    }

    @Override
    public int rows(int g) {
      return rowCounts[g];
    }

    @Override
    public int depth(int g) {
      return depths[g];
    }

    @Override
    public long a(int g) {
      return own[g].a.address();
    }

    @Override
    public long b(int g) {
      return own[g].b.address();
    }

    @Override
    public long bias(int g) {
      return 0;
    }

    @Override
    public long c(int g) {
      return own[g].c.address();
    }
  }

  /** One product, or the same one several times. */
  private static final class Product implements GemmGroups {
    final int columns;
    final int depth;
    final Strided a;
    Strided b;
    final Strided c;
    final Strided c2;
    final BitSet finished = new BitSet();
    int count = 1;
    int rows;
    boolean accumulate;
    boolean pair;
    Strided bias;
    long[] index;
    private CpuStorage indices;

    Product(int rows, int columns, int depth, DType type, Order order) {
      this(rows, columns, depth, type, order, 1);
    }

    Product(int rows, int columns, int depth, DType type, int seed) {
      this(rows, columns, depth, type, Order.ROWS, seed);
    }

    private Product(int rows, int columns, int depth, DType type, Order order, int seed) {
      this.rows = rows;
      this.columns = columns;
      this.depth = depth;
      a = Matrices.matrix(rows, depth, order, seed);
      b = Matrices.matrix(depth, columns, Order.COLUMNS, type, seed + 1);
      c = Matrices.values(9, rows, columns);
      c2 = Matrices.values(9, rows, columns);
    }

    boolean run() {
      if (index != null) {
        indices = CpuStorage.allocate(8L * index.length, "indices");
        for (int i = 0; i < index.length; i++) Host.setLong(indices.address() + 8L * i, index[i]);
      }
      return FewRows.run(this, shape());
    }

    GemmF32.Shape shape() {
      Element type = VectorMatmul.element(b.dtype());
      return new GemmF32.Shape(
          columns,
          4 * a.stride(0),
          4 * a.stride(1),
          type,
          type.bytes * b.stride(0),
          type.bytes * b.stride(1),
          4L * columns,
          accumulate,
          pair);
    }

    @Override
    public int count() {
      return count;
    }

    @Override
    public int rows(int g) {
      return rows;
    }

    @Override
    public int depth(int g) {
      return depth;
    }

    @Override
    public long a(int g) {
      return a.address();
    }

    @Override
    public long aRowIndex(int g) {
      return index == null ? 0 : indices.address();
    }

    @Override
    public long b(int g) {
      return b.address();
    }

    @Override
    public long b2(int g) {
      return b.address();
    }

    @Override
    public long bias(int g) {
      return bias == null ? 0 : bias.address();
    }

    @Override
    public long bias2(int g) {
      return bias(g);
    }

    @Override
    public long c(int g) {
      return c.address();
    }

    @Override
    public long c2(int g) {
      return c2.address();
    }

    @Override
    public void finish(int g, int firstRow, int rows, int firstColumn, int columns) {
      synchronized (finished) {
        finished.set(firstColumn, firstColumn + columns);
      }
    }
  }
}
