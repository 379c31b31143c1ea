package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import java.util.SplittableRandom;

/** Operands of the matrix-product tests: seeded values in every kind of layout. */
final class Matrices {

  /** How a matrix lies in memory. */
  enum Order {
    /** Rows contiguous, with a gap after each. */
    ROWS,
    /** Columns contiguous, with a gap after each. */
    COLUMNS,
    /** Neither stride is one element. */
    SCATTERED
  }

  private static final int GAP = 5;

  private Matrices() {}

  /** A [rows, columns] matrix of values in [-1, 1), the same for the same seed in every order. */
  static Strided matrix(long rows, long columns, Order order, DType type, long seed) {
    long[] strides =
        switch (order) {
          case ROWS -> new long[] {columns + GAP, 1};
          case COLUMNS -> new long[] {1, rows + GAP};
          case SCATTERED -> new long[] {3 * (columns + GAP), 3};
        };
    Strided matrix = empty(Layout.strided(new long[] {rows, columns}, strides, 2), type);
    SplittableRandom random = new SplittableRandom(seed);
    for (long r = 0; r < rows; r++) {
      for (long c = 0; c < columns; c++) {
        double value = random.nextDouble() * 2 - 1;
        Host.set(type, matrix.address(), index(matrix, r, c), value);
      }
    }
    return matrix;
  }

  static Strided matrix(long rows, long columns, Order order, long seed) {
    return matrix(rows, columns, order, DType.F32, seed);
  }

  /** Contiguous f32 values in [-1, 1). */
  static Strided values(long seed, long... shape) {
    Strided values = empty(Layout.contiguous(shape), DType.F32);
    SplittableRandom random = new SplittableRandom(seed);
    for (long i = 0; i < values.size(); i++) {
      Host.setFloat(values.address() + 4 * i, (float) (random.nextDouble() * 2 - 1));
    }
    return values;
  }

  /** Memory for {@code layout}, filled with NaN so that nothing unwritten goes unnoticed. */
  static Strided empty(Layout layout, DType type) {
    long elements = layout.offset() + Math.max(1, layout.span()) + 64;
    CpuStorage storage = CpuStorage.allocate(elements * type.bytes(), "test");
    for (long i = 0; i < elements * type.bytes(); i++) {
      Host.setByte(storage.address() + i, (byte) 0xff);
    }
    return new Strided(storage, type, layout);
  }

  static float get(Strided x, long... index) {
    return (float) Host.get(x.dtype(), x.address(), index(x, index));
  }

  /** The elements in row-major order, for the loops of an oracle. */
  static float[] floats(Strided x) {
    int last = x.layout().shape().length - 1;
    int columns = (int) x.size(last);
    float[] all = new float[(int) x.size()];
    for (int i = 0; i < all.length; i++) {
      long at = 0;
      int rest = i / Math.max(1, columns);
      for (int d = last - 1; d >= 0; d--) {
        at += rest % x.size(d) * x.stride(d);
        rest /= (int) x.size(d);
      }
      at += i % columns * x.stride(last);
      all[i] = (float) Host.get(x.dtype(), x.address(), at);
    }
    return all;
  }

  /** An assertion is built only where there is something to report: these run millions of times. */
  static void assertSame(float actual, float expected) {
    if (actual != expected) {
      assertThat(actual).isEqualTo(expected);
    }
  }

  private static long index(Strided x, long... index) {
    long at = 0;
    for (int d = 0; d < index.length; d++) {
      at += index[d] * x.stride(d);
    }
    return at;
  }
}
