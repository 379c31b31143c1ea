package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.vector.GemmPack.Element;
import dev.theriac.backend.vector.Matrices.Order;
import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import java.util.BitSet;

/** One product of few rows, or the same one several times, for the tests of {@link FewRows}. */
final class FewRowsProduct implements GemmGroups {
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

  FewRowsProduct(int rows, int columns, int depth, DType type, Order order) {
    this(rows, columns, depth, type, order, 1);
  }

  FewRowsProduct(int rows, int columns, int depth, DType type, int seed) {
    this(rows, columns, depth, type, Order.ROWS, seed);
  }

  private FewRowsProduct(int rows, int columns, int depth, DType type, Order order, int seed) {
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

  /** Signs of zeros count; which NaN it is does not. */
  static void assertSameBits(float actual, float expected) {
    int bits = Float.floatToIntBits(actual);
    if (bits != Float.floatToIntBits(expected)) {
      assertThat(bits).as("%s for %s", actual, expected).isEqualTo(Float.floatToIntBits(expected));
    }
  }

  /** An element as a loop of fused multiply-adds gives it. */
  float chain(int row, int column, float start) {
    return chain(row, column, start, depth);
  }

  float chain(int row, int column, float start, int depth) {
    float sum = start;
    for (int k = 0; k < depth; k++) {
      sum = Math.fma(Matrices.get(a, row, k), Matrices.get(b, k, column), sum);
    }
    return sum;
  }

  /** Products of different rows and sums in operands of one size. */
  record Different(FewRowsProduct[] own, int[] rowCounts, int[] depths) implements GemmGroups {
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

  /** A product whose right side lies at another address. */
  record Elsewhere(FewRowsProduct product, long b) implements GemmGroups {
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
}
