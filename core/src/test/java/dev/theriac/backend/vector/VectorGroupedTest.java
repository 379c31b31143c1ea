package dev.theriac.backend.vector;

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
    for (int count : new int[] {1, 3}) {
      Workers.setThreads(count);
      for (Strided shift : new Strided[] {null, bias}) {
        Strided out = empty(rows, test.n);
        for (Rows in : ways(x)) {
          grouped.grouped(in, w, shift, offsets, out);
          for (int e = 0; e < test.sizes.length; e++) {
            for (long r = offset(offsets, e); r < offset(offsets, e + 1); r++) {
              for (int j = 0; j < test.n; j++) {
                float sum = shift == null ? 0 : Matrices.get(bias, e, j);
                for (int k = 0; k < test.k; k++) {
                  sum = Math.fma(get(in, r, k), Matrices.get(w, e, j, k), sum);
                }
                Matrices.assertSame(Matrices.get(out, r, j), sum);
              }
            }
          }
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
    for (int count : new int[] {1, 3}) {
      Workers.setThreads(count);
      Strided dx = empty(rows, test.k);
      for (Rows in : ways(grad)) {
        for (boolean more : new boolean[] {false, true}) {
          grouped.groupedInputGradient(in, w, offsets, more, dx);
          for (int e = 0; e < test.sizes.length; e++) {
            for (long r = offset(offsets, e); r < offset(offsets, e + 1); r++) {
              for (int j = 0; j < test.k; j++) {
                float sum = 0;
                for (int pass = more ? 0 : 1; pass < 2; pass++) {
                  for (int k = 0; k < test.n; k++) {
                    sum = Math.fma(get(in, r, k), Matrices.get(w, e, k, j), sum);
                  }
                }
                Matrices.assertSame(Matrices.get(dx, r, j), sum);
              }
            }
          }
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
    for (int count : new int[] {1, 3}) {
      Workers.setThreads(count);
      Strided dw = empty(test.sizes.length, test.n, test.k);
      Strided dbias = empty(test.sizes.length, test.n);
      Strided scaled = empty(test.sizes.length, test.n);
      Strided scale = Matrices.values(8, rows);
      for (Rows left : ways(grad)) {
        for (Rows right : ways(x)) {
          for (boolean more : new boolean[] {false, true}) {
            grouped.groupedWeightGradient(left, right, offsets, more, dw);
            grouped.groupedBiasGradient(left, null, offsets, more, dbias);
            grouped.groupedBiasGradient(left, scale, offsets, more, scaled);
            checkSums(test, offsets, left, right, scale, more ? 2 : 1, dw, dbias, scaled);
          }
        }
      }
    }
  }

  private static void checkSums(
      Case test,
      Strided offsets,
      Rows left,
      Rows right,
      Strided scale,
      int passes,
      Strided dw,
      Strided dbias,
      Strided scaled) {
    for (int e = 0; e < test.sizes.length; e++) {
      for (int i = 0; i < test.n; i++) {
        float plain = 0;
        float weighted = 0;
        for (int pass = 0; pass < passes; pass++) {
          for (long r = offset(offsets, e); r < offset(offsets, e + 1); r++) {
            plain += get(left, r, i);
            weighted = Math.fma(Matrices.get(scale, r), get(left, r, i), weighted);
          }
        }
        Matrices.assertSame(Matrices.get(dbias, e, i), plain);
        Matrices.assertSame(Matrices.get(scaled, e, i), weighted);
        for (int j = 0; j < test.k; j++) {
          float sum = 0;
          for (int pass = 0; pass < passes; pass++) {
            for (long r = offset(offsets, e); r < offset(offsets, e + 1); r++) {
              sum = Math.fma(get(left, r, i), get(right, r, j), sum);
            }
          }
          Matrices.assertSame(Matrices.get(dw, e, i, j), sum);
        }
      }
    }
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

  private static float get(Rows rows, long r, long column) {
    return Host.getFloat(rows.address(r) + 4 * column);
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

  private static long offset(Strided offsets, int e) {
    return Host.getLong(offsets.address() + 8L * e);
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
