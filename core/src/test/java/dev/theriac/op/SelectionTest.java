package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.Workers;
import dev.theriac.op.GradientCheck.Case;
import dev.theriac.op.Selection.Groups;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

@ExtendWith(TensorScope.class)
class SelectionTest {
  private static final float NAN = Float.NaN;
  private static final float INF = Float.POSITIVE_INFINITY;

  static List<Backend> backends() {
    return Samples.backends();
  }

  /** The order by definition: a stable sort, higher first, NaN last. */
  private static final Comparator<Float> ORDER =
      (a, b) -> {
        if (a.isNaN() || b.isNaN()) return Boolean.compare(a.isNaN(), b.isNaN());
        return a.floatValue() == b.floatValue() ? 0 : b > a ? 1 : -1;
      };

  private static List<Integer> sorted(float[] row, IntStream columns) {
    return columns.boxed().sorted(Comparator.comparing(c -> row[c], ORDER)).toList();
  }

  private static long[] expected(float[] row, int k, Groups g) {
    int width = row.length / g.groups();
    float[] rank = new float[g.groups()];
    for (int i = 0; i < rank.length; i++) {
      List<Integer> best = sorted(row, IntStream.range(i * width, i * width + width));
      rank[i] = row[best.getFirst()];
      for (int j = 1; j < Math.min(g.best(), width); j++) rank[i] += row[best.get(j)];
    }
    List<Integer> kept =
        sorted(rank, IntStream.range(0, rank.length)).subList(0, g.kept()).stream()
            .sorted()
            .toList();
    IntStream columns =
        kept.stream().flatMapToInt(i -> IntStream.range(i * width, i * width + width));
    return sorted(row, columns).stream().limit(k).mapToLong(c -> c).toArray();
  }

  /** Rows in which ties, infinities, NaN, zeros of both signs and denormals are frequent. */
  private static Tensor crafted(long seed, int rows, int columns) {
    float[] pool = {0f, -0f, 1, 1, -1, NAN, INF, -INF, Float.MIN_VALUE, -Float.MIN_VALUE, 1e-40f};
    Rng rng = new Rng(seed);
    float[] values = new float[rows * columns];
    for (int r = 0; r < rows; r++) {
      int kind = rng.nextInt(4);
      for (int c = 0; c < columns; c++) {
        values[r * columns + c] =
            switch (kind) {
              case 0 -> pool[rng.nextInt(pool.length)];
              case 1 -> rng.nextInt(5) * 0.25f - 3;
              case 2 -> (float) -Math.abs(rng.nextGaussian());
              default -> (float) rng.nextGaussian();
            };
      }
    }
    return Tensor.of(values, rows, columns);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void choosesInTheTotalOrder(Backend backend) {
    record Shape(int columns, int k, Groups groups) {}
    List<Shape> shapes = new ArrayList<>();
    for (int c : new int[] {1, 3, 17, 33, 129}) {
      for (int k : new int[] {1, 2, c}) if (k <= c) shapes.add(new Shape(c, k, Groups.NONE));
    }
    for (int best : new int[] {1, 2, 3}) {
      shapes.add(new Shape(12, 3, new Groups(4, 2, best)));
      shapes.add(new Shape(12, 12, new Groups(12, 12, best)));
      shapes.add(new Shape(12, 1, new Groups(12, 1, best)));
    }
    for (Shape s : shapes) {
      Tensor x = crafted(s.columns + 31L * s.k, 300, s.columns);
      float[] values = x.toFloats();
      long[] ids = Backends.with(backend, () -> Selection.topK(x, s.k, s.groups)).toLongs();
      for (int r = 0; r < 300; r++) {
        float[] row = Arrays.copyOfRange(values, r * s.columns, (r + 1) * s.columns);
        assertThat(Arrays.copyOfRange(ids, r * s.k, (r + 1) * s.k))
            .as("%s of %s", s, Arrays.toString(row))
            .isEqualTo(expected(row, s.k, s.groups));
      }
    }
  }

  @Test
  void k16BackEndsAndThreadCountsChooseAlike() {
    Tensor x = crafted(7, 100_000, 16);
    int before = Workers.threads();
    try {
      Tensor first = Backends.with(Backends.scalar(), () -> Selection.topK(x, 3, Groups.NONE));
      long[] wanted = first.toLongs();
      for (int threads : new int[] {1, 2, 7}) {
        Workers.setThreads(threads);
        for (Backend backend : backends()) {
          Tensor ids = Backends.with(backend, () -> Selection.topK(x, 3, Groups.NONE));
          assertThat(Arrays.equals(ids.toLongs(), wanted)).as(backend.name()).isTrue();
          Tensor old = Backends.with(backend, () -> Index.topK(x, 3).indices());
          assertThat(Arrays.equals(old.toLongs(), wanted)).as("top-k").isTrue();
        }
      }
    } finally {
      Workers.setThreads(before);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void unusableRowsAreFound(Backend backend) {
    Tensor x =
        Tensor.of(
            new float[] {1, 2, 1, NAN, NAN, NAN, -INF, -INF, -INF, 3, INF, 1, -3e38f, -0f}, 7, 2);
    assertThat(Backends.with(backend, () -> Selection.unusableRows(x))).containsExactly(1, 2, 3, 5);
  }

  private static double[] exact(double[] logits, boolean sigmoid) {
    double[] l = logits.clone();
    if (sigmoid) {
      for (int i = 0; i < l.length; i++) {
        l[i] = l[i] < 0 ? l[i] - Math.log1p(Math.exp(l[i])) : -Math.log1p(Math.exp(-l[i]));
      }
    }
    double max = Arrays.stream(l).max().orElseThrow();
    double sum = Arrays.stream(l).map(v -> Math.exp(v - max)).sum();
    return Arrays.stream(l).map(v -> Math.exp(v - max) / sum).toArray();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void softmaxOverTheChosenAgreesWithTheDefinition(Backend backend) {
    for (boolean sigmoid : new boolean[] {false, true}) {
      for (int k : new int[] {1, 2, 17}) {
        for (double scale : new double[] {0.1, 4, 60}) {
          Tensor x = Samples.normal(k, 129, 17).mul(scale);
          Tensor ids = Selection.topK(Samples.normal(k + 1, 129, 17), k, Groups.NONE);
          Tensor w = Backends.with(backend, () -> Selection.softmax(x, ids, sigmoid));
          double[] want = new double[129 * k];
          for (int r = 0; r < 129; r++) {
            double[] chosen = new double[k];
            for (int j = 0; j < k; j++) chosen[j] = x.get(r, (long) ids.get(r, j));
            System.arraycopy(exact(chosen, sigmoid), 0, want, r * k, k);
          }
          Tolerances.check("selectedSoftmax", backend.name(), want, want, w);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void k09SigmoidsThatUnderflowStillShareTheWeight(Backend backend) {
    Tensor x = Tensor.of(new float[] {-200, -200, -201, -1e30f}, 1, 4);
    Tensor ids = Tensor.of(new long[] {0, 1, 2}, 1, 3);
    float[] w = Backends.with(backend, () -> Selection.softmax(x, ids, true)).toFloats();
    double e = Math.exp(-1);
    assertThat(w[0]).isEqualTo((float) (1 / (2 + e))).isEqualTo(w[1]);
    assertThat(w[2]).isEqualTo((float) (e / (2 + e)));
    Tensor nothing = Tensor.of(new float[] {-INF, -INF, -INF, 0}, 1, 4);
    assertThat(Backends.with(backend, () -> Selection.softmax(nothing, ids, true)).toFloats())
        .containsOnly(0);
  }

  @Test
  void allRowsOfALongBatchAreFound() {
    long[] found = Selection.unusableRows(Tensor.full(Float.NaN, DType.F32, 100_000, 2));
    assertThat(found).isEqualTo(LongStream.range(0, 100_000).toArray());
  }

  @Test
  void errorsNameWhatDoesNotFit() {
    Tensor x = Tensor.zeros(2, 6);
    assertThatThrownBy(() -> Selection.topK(x, 7, Groups.NONE)).hasMessageContaining("k = 7");
    assertThatThrownBy(() -> Selection.topK(x, 0, Groups.NONE)).hasMessageContaining("k = 0");
    assertThatThrownBy(() -> Selection.topK(x, 3, new Groups(3, 1, 2)))
        .hasMessageContaining("k = 3")
        .hasMessageContaining("1 of 3 groups of 2");
    assertThatThrownBy(() -> Selection.topK(x, 1, new Groups(4, 1, 1)))
        .hasMessageContaining("6 columns")
        .hasMessageContaining("4 equal groups");
    assertThatThrownBy(() -> new Groups(2, 3, 1)).hasMessageContaining("3 of 2 groups");
    assertThatThrownBy(() -> Selection.softmax(x, Tensor.of(new long[] {0, 6}, 2, 1), false))
        .hasMessageContaining("id 6 at position 1");
    assertThatThrownBy(() -> Selection.softmax(x, Tensor.of(new long[] {0}, 1, 1), false))
        .hasMessageContaining("[2, 6]")
        .hasMessageContaining("[1, 1]");
  }

  private static Tensor some() {
    return Tensor.of(new long[] {3, 0, 1, 4, 2, 0}, 3, 2);
  }

  static List<Case> cases() {
    return List.of(
        new Case(
            "selectedSoftmax",
            x -> Selection.softmax(x.getFirst(), some(), false),
            () -> List.of(Samples.normal(1, 3, 5))),
        new Case(
            "selectedSoftmax of sigmoids",
            x -> Selection.softmax(x.getFirst(), some(), true),
            () -> List.of(Samples.normal(2, 3, 5))));
  }

  @TestFactory
  Stream<DynamicTest> gradients() {
    return GradientCheck.tests(cases());
  }
}
