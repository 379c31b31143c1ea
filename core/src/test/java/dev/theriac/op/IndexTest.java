package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.op.GradientCheck.Case;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

@ExtendWith(TensorScope.class)
class IndexTest {
  private static final int[] COUNTS = {0, 1, 3, 17, 129};

  static List<Backend> backends() {
    return Samples.backends();
  }

  @ParameterizedTest
  @EnumSource
  void gathersRowsOfEveryType(DType dtype) {
    for (Backend backend : backends()) {
      for (int n : COUNTS) {
        for (int d : new int[] {1, 3, 17}) {
          for (View view : View.values()) {
            Tensor table = view.of(Samples.longs(i -> i % 100, 5, d).to(dtype));
            Tensor ids = Samples.ids(1, 5, n);
            Tensor y = Backends.with(backend, () -> Index.gatherRows(table, ids));
            assertThat(y.dtype()).isEqualTo(dtype);
            assertThat(y.shape()).containsExactly(n, d);
            for (int i = 0; i < n; i++) {
              for (int j = 0; j < d; j++) {
                assertThat(y.get(i, j)).isEqualTo(table.get((long) ids.get(i), j));
              }
            }
          }
        }
      }
    }
  }

  @Test
  void gatheredRowsTakeTheShapeOfTheIds() {
    Tensor table = Samples.normal(1, 5, 3);
    assertThat(Index.gatherRows(table, Samples.ids(1, 5, 2, 4)).shape()).containsExactly(2, 4, 3);
    assertThat(Index.gatherRows(table, Samples.ids(1, 5)).shape()).containsExactly(3);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void scattersRowsInAscendingOrder(Backend backend) {
    for (int n : COUNTS) {
      for (int d : new int[] {1, 3, 129}) {
        for (View view : View.values()) {
          Tensor x = view.of(Samples.normal(1, n, d));
          Tensor ids = Samples.ids(2, 4, n);
          float[] want = new float[5 * d];
          for (int i = 0; i < n; i++) {
            for (int j = 0; j < d; j++) want[(int) ids.get(i) * d + j] += (float) x.get(i, j);
          }
          Tensor y = Backends.with(backend, () -> Index.scatterRows(x, ids, 5));
          assertThat(y.toFloats()).isEqualTo(want);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void gathersAndScattersColumns(Backend backend) {
    for (int n : COUNTS) {
      for (int k : new int[] {1, 4, 17}) {
        for (View view : View.values()) {
          Tensor x = view.of(Samples.normal(1, n, 9));
          Tensor ids = view.of(Samples.ids(2, 9, n, k));
          Tensor y = Backends.with(backend, () -> Index.gatherColumns(x, ids));
          Tensor back = Backends.with(backend, () -> Index.scatterColumns(y, ids, 9));
          float[] want = new float[n * 9];
          for (int i = 0; i < n; i++) {
            for (int j = 0; j < k; j++) {
              int id = (int) ids.get(i, j);
              assertThat(y.get(i, j)).isEqualTo(x.get(i, id));
              want[i * 9 + id] += (float) x.get(i, id);
            }
          }
          assertThat(back.toFloats()).isEqualTo(want);
        }
      }
    }
  }

  /** Stable sort by descending value with NaN last. */
  private static List<Integer> ranking(float[] row) {
    Comparator<Integer> nanLast = Comparator.comparing(i -> Float.isNaN(row[i]));
    Comparator<Integer> descending =
        (i, j) -> Float.isNaN(row[i]) || row[i] == row[j] ? 0 : row[i] > row[j] ? -1 : 1;
    return IntStream.range(0, row.length)
        .boxed()
        .sorted(nanLast.thenComparing(descending))
        .toList();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void topKFollowsTheTotalOrder(Backend backend) {
    for (int n : COUNTS) {
      for (int c : new int[] {1, 2, 8, 17, 129}) {
        for (int k : new int[] {1, 2, 4, c}) {
          if (k > c) continue;
          float[] values = new float[n * c];
          for (int i = 0; i < values.length; i++) {
            int r = (int) (i * 2654435761L >>> 8 & 15);
            values[i] =
                switch (r) {
                  case 0 -> Float.NaN;
                  case 1 -> Float.NEGATIVE_INFINITY;
                  case 2 -> Float.POSITIVE_INFINITY;
                  case 3 -> -0f;
                  case 4 -> 0f;
                  default -> r / 4; // ties
                };
          }
          Tensor x = Tensor.of(values, n, c);
          Index.TopK top = Backends.with(backend, () -> Index.topK(x, k));
          long[] ids = top.indices().toLongs();
          float[] best = top.values().toFloats();
          for (int i = 0; i < n; i++) {
            float[] row = Arrays.copyOfRange(values, i * c, i * c + c);
            List<Integer> want = ranking(row);
            for (int j = 0; j < k; j++) {
              assertThat(ids[i * k + j])
                  .as("row %d of %d, place %d", i, c, j)
                  .isEqualTo(want.get(j).longValue());
              assertThat((Float) best[i * k + j]).isEqualTo((Float) row[want.get(j)]);
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aRowOfNotANumberGivesDistinctIds(Backend backend) {
    Tensor x = Tensor.full(Double.NaN, DType.F32, 3, 8);
    long[] ids = Backends.with(backend, () -> Index.topK(x, 4)).indices().toLongs();
    assertThat(ids).containsExactly(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
  }

  @ParameterizedTest
  @ValueSource(longs = {-1, 5, Long.MIN_VALUE, Long.MAX_VALUE})
  void noIdOutsideTheRangeReachesAKernel(long id) {
    Tensor ids = Tensor.of(new long[] {id});
    Tensor columns = Tensor.of(new long[] {id}, 1, 1);
    Map<String, Runnable> uses =
        Map.of(
            "gatherRows", () -> Index.gatherRows(Tensor.zeros(5, 3), ids),
            "scatterRows", () -> Index.scatterRows(Tensor.zeros(1, 3), ids, 5),
            "gatherColumns", () -> Index.gatherColumns(Tensor.zeros(1, 5), columns),
            "scatterColumns", () -> Index.scatterColumns(Tensor.zeros(1, 1), columns, 5));
    uses.forEach((name, use) ->
        assertThatThrownBy(use::run)
            .isInstanceOf(IndexOutOfBoundsException.class)
            .hasMessage("%s: id %d at position 0 is not in [0, 5)", name, id));
  }

  @Test
  void errorsNameTheOperationTheIdAndItsPosition() {
    Tensor table = Tensor.zeros(5, 3);
    assertThatThrownBy(() -> Index.gatherRows(table, Tensor.of(new long[] {0, 4, 5})))
        .isInstanceOf(IndexOutOfBoundsException.class)
        .hasMessageContaining("gatherRows")
        .hasMessageContaining("id 5 at position 2")
        .hasMessageContaining("[0, 5)");
    assertThatThrownBy(() -> Index.gatherRows(table, Tensor.of(new long[] {-1})))
        .hasMessageContaining("id -1");
    assertThatThrownBy(() -> Index.gatherRows(table, Tensor.of(new float[] {1})))
        .hasMessageContaining("gatherRows")
        .hasMessageContaining("I64");
    assertThatThrownBy(() -> Index.scatterRows(table, Tensor.of(new long[] {0, 1}), 3))
        .hasMessageContaining("scatterRows")
        .hasMessageContaining("[5]")
        .hasMessageContaining("[2]");
    assertThatThrownBy(() -> Index.scatterRows(table, Tensor.of(new long[] {0, 1, 2, 3, 3}), 3))
        .hasMessageContaining("id 3 at position 3");
    assertThatThrownBy(() -> Index.gatherColumns(table, Tensor.of(new long[] {1, 2}, 2, 1)))
        .hasMessageContaining("gatherColumns")
        .hasMessageContaining("[5, 3]")
        .hasMessageContaining("[2, 1]");
    assertThatThrownBy(() -> Index.scatterColumns(table, Tensor.of(new long[] {1}, 1, 1), 3))
        .hasMessageContaining("scatterColumns")
        .hasMessageContaining("[1, 1]");
    assertThatThrownBy(() -> Index.topK(table, 4))
        .hasMessageContaining("topK")
        .hasMessageContaining("k = 4");
    assertThatThrownBy(() -> Index.topK(Tensor.zeros(3), 1)).hasMessageContaining("[3]");
  }

  static List<Case> cases() {
    return List.of(
        new Case(
            "gatherRows",
            x -> Index.gatherRows(x.getFirst(), Samples.ids(1, 5, 2, 4)),
            () -> List.of(Samples.normal(1, 5, 3))),
        new Case(
            "scatterRows",
            x -> Index.scatterRows(x.getFirst(), Samples.ids(1, 4, 7), 5),
            () -> List.of(Samples.normal(1, 7, 3))),
        new Case(
            "gatherColumns",
            x -> Index.gatherColumns(x.getFirst(), Samples.ids(1, 5, 3, 4)),
            () -> List.of(Samples.normal(1, 3, 5))),
        new Case(
            "scatterColumns",
            x -> Index.scatterColumns(x.getFirst(), Samples.ids(1, 6, 3, 5), 6),
            () -> List.of(Samples.normal(1, 3, 5))),
        new Case(
            "topK",
            x -> Index.topK(x.getFirst(), 3).values(),
            () -> List.of(Samples.longs(i -> i * 7 % 24, 3, 8).to(DType.F32).mul(0.25))));
  }

  @TestFactory
  Stream<DynamicTest> gradients() {
    return GradientCheck.tests(cases());
  }
}
