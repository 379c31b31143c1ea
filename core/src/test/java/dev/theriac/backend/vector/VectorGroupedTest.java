package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.GroupedKernels.Rows;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Groups of every size, empty ones among them, against chains of fused multiply-adds. */
class VectorGroupedTest {

  private final VectorGrouped grouped = new VectorGrouped();
  private int threads;

  /** Group sizes, columns n, depth k. */
  record Case(int n, int k, int... sizes) {}

  static Case[] cases() {
    return new Case[] {
      new Case(17, 33, 5, 0, 1, 8, 0),
      new Case(129, 3, 0, 0, 40),
      new Case(48, 64, 16, 16, 16, 16),
      new Case(1, 1, 3),
      new Case(50, 20, 0),
      new Case(130, 400, 7, 90, 0, 150, 1, 2),
      new Case(70, 2100, 20, 3),
      new Case(5, 9),
    };
  }

  @BeforeEach
  void rememberThreads() {
    threads = Workers.threads();
  }

  @AfterEach
  void restoreThreads() {
    Workers.setThreads(threads);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void forward(Case test) {
    Strided offsets = offsets(test.sizes);
    long rows = rows(test);
    Strided x = Matrices.values(1, rows, test.k);
    Strided w = Matrices.values(2, test.sizes.length, test.n, test.k);
    Strided bias = Matrices.values(3, test.sizes.length, test.n);
    float[] weights = Matrices.floats(w);
    for (Strided shift : new Strided[] {null, bias}) {
      for (Rows in : ways(x)) {
        float[] left = floats(in, rows, test.k);
        float[] want = new float[(int) rows * test.n];
        for (int e = 0; e < test.sizes.length; e++) {
          for (int r = offset(offsets, e); r < offset(offsets, e + 1); r++) {
            for (int j = 0; j < test.n; j++) {
              float sum = shift == null ? 0 : Matrices.get(bias, e, j);
              for (int k = 0; k < test.k; k++) {
                sum = Math.fma(left[r * test.k + k], weights[(e * test.n + j) * test.k + k], sum);
              }
              want[r * test.n + j] = sum;
            }
          }
        }
        for (int count : new int[] {1, 3}) {
          Workers.setThreads(count);
          Strided out = empty(rows, test.n);
          grouped.grouped(in, w, shift, offsets, out);
          assertSame(out, want);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void inputGradient(Case test) {
    Strided offsets = offsets(test.sizes);
    long rows = rows(test);
    Strided grad = Matrices.values(4, rows, test.n);
    Strided w = Matrices.values(5, test.sizes.length, test.n, test.k);
    float[] weights = Matrices.floats(w);
    for (Rows in : ways(grad)) {
      float[] left = floats(in, rows, test.n);
      // After one pass, and after another is added to it.
      float[][] want = new float[2][(int) rows * test.k];
      for (int e = 0; e < test.sizes.length; e++) {
        for (int r = offset(offsets, e); r < offset(offsets, e + 1); r++) {
          for (int j = 0; j < test.k; j++) {
            float sum = 0;
            for (float[] pass : want) {
              for (int k = 0; k < test.n; k++) {
                sum = Math.fma(left[r * test.n + k], weights[(e * test.n + k) * test.k + j], sum);
              }
              pass[r * test.k + j] = sum;
            }
          }
        }
      }
      for (int count : new int[] {1, 3}) {
        Workers.setThreads(count);
        Strided dx = empty(rows, test.k);
        for (boolean more : new boolean[] {false, true}) {
          grouped.groupedInputGradient(in, w, offsets, more, dx);
          assertSame(dx, want[more ? 1 : 0]);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void weightGradient(Case test) {
    Strided offsets = offsets(test.sizes);
    long rows = rows(test);
    Strided grad = Matrices.values(6, rows, test.n);
    Strided x = Matrices.values(7, rows, test.k);
    Strided scale = Matrices.values(8, rows);
    for (Rows left : ways(grad)) {
      for (Rows right : ways(x)) {
        Sums[] want = sums(test, offsets, left, right, scale);
        for (int count : new int[] {1, 3}) {
          Workers.setThreads(count);
          Strided dw = empty(test.sizes.length, test.n, test.k);
          Strided dbias = empty(test.sizes.length, test.n);
          Strided scaled = empty(test.sizes.length, test.n);
          for (boolean more : new boolean[] {false, true}) {
            grouped.groupedWeightGradient(left, right, offsets, more, dw);
            grouped.groupedBiasGradient(left, null, offsets, more, dbias);
            grouped.groupedBiasGradient(left, scale, offsets, more, scaled);
            Sums sums = want[more ? 1 : 0];
            assertSame(dw, sums.weight);
            assertSame(dbias, sums.bias);
            assertSame(scaled, sums.scaled);
          }
        }
      }
    }
  }

  /** Gradients of weights and of biases, the latter also with scaled rows. */
  private record Sums(float[] weight, float[] bias, float[] scaled) {}

  /** After one pass, and after another is added to it. */
  private static Sums[] sums(Case test, Strided offsets, Rows left, Rows right, Strided scale) {
    int rows = (int) rows(test);
    float[] a = floats(left, rows, test.n);
    float[] b = floats(right, rows, test.k);
    int outputs = test.sizes.length * test.n;
    Sums[] want = new Sums[2];
    for (int pass = 0; pass < 2; pass++) {
      Sums last = pass == 0 ? null : want[0];
      Sums next = new Sums(new float[outputs * test.k], new float[outputs], new float[outputs]);
      want[pass] = next;
      for (int e = 0; e < test.sizes.length; e++) {
        int first = offset(offsets, e);
        int end = offset(offsets, e + 1);
        for (int i = 0; i < test.n; i++) {
          int at = e * test.n + i;
          float plain = last == null ? 0 : last.bias[at];
          float weighted = last == null ? 0 : last.scaled[at];
          for (int r = first; r < end; r++) {
            plain += a[r * test.n + i];
            weighted = Math.fma(Matrices.get(scale, r), a[r * test.n + i], weighted);
          }
          next.bias[at] = plain;
          next.scaled[at] = weighted;
          for (int j = 0; j < test.k; j++) {
            float sum = last == null ? 0 : last.weight[at * test.k + j];
            for (int r = first; r < end; r++) {
              sum = Math.fma(a[r * test.n + i], b[r * test.k + j], sum);
            }
            next.weight[at * test.k + j] = sum;
          }
        }
      }
    }
    return want;
  }

  private static void assertSame(Strided actual, float[] want) {
    float[] got = Matrices.floats(actual);
    assertThat(got).hasSameSizeAs(want);
    for (int i = 0; i < want.length; i++) Matrices.assertSame(got[i], want[i]);
  }

  /** The rows in their order, and as an index of others would name them. */
  private static List<Rows> ways(Strided values) {
    long rows = values.size(0);
    Strided index = Matrices.empty(Layout.contiguous(rows), DType.I64);
    for (long r = 0; r < rows; r++) {
      Host.setLong(index.address() + 8 * r, (7 * r + 3) % rows * (r % 5) / 5);
    }
    return List.of(Rows.of(values), new Rows(values, index));
  }

  /** The values of as many rows, in the order in which they are named. */
  private static float[] floats(Rows rows, long count, int columns) {
    float[] all = new float[(int) count * columns];
    for (int i = 0; i < all.length; i++) {
      all[i] = Host.getFloat(rows.address(i / columns) + 4L * (i % columns));
    }
    return all;
  }

  private static Strided offsets(int... sizes) {
    Strided offsets = Matrices.empty(Layout.contiguous(sizes.length + 1), DType.I64);
    long sum = 0;
    for (int e = 0; e <= sizes.length; e++) {
      Host.setLong(offsets.address() + 8L * e, sum);
      sum += e < sizes.length ? sizes[e] : 0;
    }
    return offsets;
  }

  private static int offset(Strided offsets, int e) {
    return Math.toIntExact(Host.getLong(offsets.address() + 8L * e));
  }

  private static long rows(Case test) {
    long rows = 0;
    for (int size : test.sizes) {
      rows += size;
    }
    return rows;
  }

  private static Strided empty(long... shape) {
    return Matrices.empty(Layout.contiguous(shape), DType.F32);
  }
}
