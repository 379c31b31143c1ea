package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.theriac.backend.Workers;
import dev.theriac.backend.vector.GemmPack.Element;
import dev.theriac.backend.vector.Matrices.Order;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Products with few columns against one chain of multiply-adds for each element. */
class GemmDirectTest {

  @BeforeAll
  static void compiled() throws InterruptedException {
    assertThat(AttentionWarmUp.await(120)).isTrue();
    assertThat(GemmWarmUp.await(120)).isTrue();
  }

  /** Rows that no tile and no task divides, runs of k that do not come out even. */
  @ParameterizedTest
  @CsvSource({
    "64, 64, 64", "66, 16, 16", "97, 32, 257", "129, 48, 300", "131, 80, 129", "201, 128, 17",
    "3296, 64, 64", "1027, 112, 70", "64, 128, 3001", "1, 256, 130", "1, 16, 16", "1, 4096, 33"
  })
  void chains(int rows, int columns, int depth) {
    assumeTrue(columns % Lanes.LENGTH == 0 && depth >= Lanes.LENGTH);
    for (boolean accumulate : new boolean[] {false, true}) {
      for (boolean bias : new boolean[] {false, true}) {
        if (accumulate && bias) continue;
        // The values are the same in every order, and so are the sums.
        Strided expected = chain(rows, columns, depth, accumulate, bias);
        for (Order a : new Order[] {Order.ROWS, Order.COLUMNS}) {
          for (Order b : Order.values()) {
            if (rows == 1 && b != Order.ROWS) continue;
            if (!accumulate && bias != (b == Order.ROWS)) continue;
            compare(expected, depth, a, b, accumulate, bias);
          }
        }
      }
    }
  }

  private static void compare(
      Strided expected, int depth, Order orderA, Order orderB, boolean accumulate, boolean bias) {
    int rows = (int) expected.size(0);
    int columns = (int) expected.size(1);
    Strided a = Matrices.matrix(rows, depth, orderA, 1);
    Strided b = Matrices.matrix(depth, columns, orderB, 2);
    Strided shift = bias ? Matrices.values(3, columns) : null;
    Strided c = Matrices.values(4, rows, columns);
    assertThat(run(a, b, shift, c, accumulate)).isTrue();
    for (long i = 0; i < c.size(); i++) {
      Matrices.assertSame(
          Host.getFloat(expected.address() + 4 * i), Host.getFloat(c.address() + 4 * i));
    }
  }

  private static Strided chain(
      int rows, int columns, int depth, boolean accumulate, boolean biased) {
    float[] a = Matrices.floats(Matrices.matrix(rows, depth, Order.ROWS, 1));
    float[] b = Matrices.floats(Matrices.matrix(depth, columns, Order.ROWS, 2));
    Strided bias = Matrices.values(3, columns);
    Strided c = Matrices.values(4, rows, columns);
    float[] sums = new float[columns];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        if (accumulate) sums[j] = Matrices.get(c, i, j);
        else sums[j] = biased ? Host.getFloat(bias.address() + 4L * j) : 0;
      }
      for (int k = 0; k < depth; k++) {
        float x = a[i * depth + k];
        for (int j = 0; j < columns; j++) sums[j] = Math.fma(x, b[k * columns + j], sums[j]);
      }
      for (int j = 0; j < columns; j++) {
        Host.setFloat(c.address() + 4L * ((long) i * columns + j), sums[j]);
      }
    }
    return c;
  }

  private static boolean run(Strided a, Strided b, Strided bias, Strided c, boolean accumulate) {
    GemmF32.Shape shape =
        new GemmF32.Shape(
            (int) c.size(1),
            4 * a.stride(0),
            4 * a.stride(1),
            Element.F32,
            4 * b.stride(0),
            4 * b.stride(1),
            4 * c.size(1),
            accumulate);
    return GemmDirect.run(new One(a, b, bias, c), shape);
  }

  private record One(Strided left, Strided right, Strided shift, Strided out)
      implements GemmGroups {
    @Override
    public int count() {
      return 1;
    }

    @Override
    public int rows(int g) {
      return (int) out.size(0);
    }

    @Override
    public int depth(int g) {
      return (int) left.size(1);
    }

    @Override
    public long a(int g) {
      return left.address();
    }

    @Override
    public long b(int g) {
      return right.address();
    }

    @Override
    public long bias(int g) {
      return shift == null ? 0 : shift.address();
    }

    @Override
    public long c(int g) {
      return out.address();
    }
  }

  /** Tasks are cut by shape: the same bits from one thread as from three. */
  @Test
  void threadsDoNotMatter() {
    int threads = Workers.threads();
    Strided a = Matrices.matrix(700, 96, Order.ROWS, 1);
    Strided b = Matrices.matrix(96, 64, Order.COLUMNS, 2);
    Strided c = Matrices.empty(Layout.contiguous(700, 64), DType.F32);
    Strided d = Matrices.empty(Layout.contiguous(700, 64), DType.F32);
    try {
      Workers.setThreads(1);
      assertThat(run(a, b, null, c, false)).isTrue();
      Workers.setThreads(3);
      assertThat(run(a, b, null, d, false)).isTrue();
    } finally {
      Workers.setThreads(threads);
    }
    for (long i = 0; i < c.size(); i++) {
      Matrices.assertSame(Host.getFloat(c.address() + 4 * i), Host.getFloat(d.address() + 4 * i));
    }
  }

  /** What the product leaves to the packed one. */
  @Test
  void othersAreLeftAlone() {
    assertThat(runs(64, 17, 64)).isFalse();
    assertThat(runs(63, 64, 64)).isFalse();
    assertThat(runs(64, 256, 64)).isFalse();
    assertThat(runs(64, 64, Lanes.LENGTH - 1)).isFalse();
    assertThat(runs(64, 64, 64)).isTrue();
  }

  private static boolean runs(int rows, int columns, int depth) {
    return run(
        Matrices.matrix(rows, depth, Order.ROWS, 1),
        Matrices.matrix(depth, columns, Order.ROWS, 2),
        null,
        Matrices.empty(Layout.contiguous(rows, columns), DType.F32),
        false);
  }
}
