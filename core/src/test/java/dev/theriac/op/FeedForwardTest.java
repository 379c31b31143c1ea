package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.UnaryKind;
import dev.theriac.backend.Workers;
import dev.theriac.op.GradientCheck.Case;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The mixture of feed-forwards against the same made of one operation after another. */
@ExtendWith(TensorScope.class)
class FeedForwardTest {
  static List<Backend> backends() {
    return Samples.backends();
  }

  /** Tokens, choices, experts, d, n. */
  private static final int[][] SIZES = {
    {0, 1, 2, 3, 5},
    {1, 1, 1, 1, 1},
    {3, 2, 3, 17, 7},
    {17, 3, 4, 5, 129},
    {129, 2, 33, 33, 17},
    {300, 2, 5, 40, 600},
    {700, 1, 2, 20, 500},
  };

  /** More than one wave of rows, and an expert that takes more than one. */
  private static final int[] WAVES = {4400, 1, 4, 8, 1800};

  private record Problem(
      Tensor x, Tensor weights, RowGroups groups, FeedForwardWeights w, UnaryKind activation) {
    static Problem of(int[] size, boolean gated, boolean biased, UnaryKind activation, DType type) {
      int t = size[0];
      int k = size[1];
      int e = size[2];
      int d = size[3];
      int n = size[4];
      double std = 1 / Math.sqrt(d);
      FeedForwardWeights w =
          new FeedForwardWeights(
              leaf(2, std, type, e, n, d),
              biased ? leaf(3, 1, DType.F32, e, n) : null,
              gated ? leaf(4, std, type, e, n, d) : null,
              gated && biased ? leaf(5, 1, DType.F32, e, n) : null,
              leaf(6, 1 / Math.sqrt(n), type, e, d, n),
              biased ? leaf(7, 1, DType.F32, e, d) : null);
      return new Problem(
          leaf(1, 1, DType.F32, t, d),
          leaf(8, 1, DType.F32, t, k),
          RowGroups.of(ids(t, k, e), e),
          w,
          activation);
    }

    private static Tensor leaf(long seed, double std, DType type, long... shape) {
      return Tensor.randn(new Rng(seed), std, shape).to(type).requireGrad(true);
    }

    /** Most tokens go to the last expert, none to the first where there are several. */
    private static Tensor ids(int t, int k, int e) {
      Rng rng = new Rng(9);
      long[] ids = new long[t * k];
      for (int i = 0; i < t; i++) {
        int first = rng.nextInt(3) == 0 ? rng.nextInt(e) : e - 1;
        for (int j = 0; j < k; j++) {
          int id = Math.floorMod(first - j, e);
          ids[i * k + j] = (id == 0 && e > 1) || rng.nextInt(10) == 0 ? -1 : id;
        }
      }
      return Tensor.of(ids, t, k);
    }

    List<Tensor> leaves() {
      List<Tensor> all = new ArrayList<>(List.of(x, weights));
      all.addAll(w.all());
      return all;
    }

    Tensor fused() {
      return Grouped.feedForward(x, weights, groups, w, activation);
    }

    Tensor composed() {
      Tensor rows = Index.gatherRows(x, groups.rowToken());
      Tensor a = Grouped.linear(rows, w.gate(), w.gateBias(), groups.offsets()).apply(activation);
      if (w.gated()) a = a.mul(Grouped.linear(rows, w.up(), w.upBias(), groups.offsets()));
      Tensor o = Grouped.linear(a, w.down(), w.downBias(), groups.offsets());
      Tensor scale = Index.gatherRows(weights.reshape(weights.size(), 1), groups.rowSlot());
      return Index.scatterRows(o.mul(scale), groups.rowToken(), groups.tokens());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void agreesWithOneOperationAfterAnother(Backend backend) {
    for (int[] size : SIZES) {
      for (boolean gated : new boolean[] {false, true}) {
        for (boolean biased : new boolean[] {false, true}) {
          agrees(backend, Problem.of(size, gated, biased, UnaryKind.SILU, DType.F32));
        }
      }
    }
    agrees(backend, Problem.of(WAVES, true, true, UnaryKind.SILU, DType.F32));
    for (UnaryKind a : List.of(UnaryKind.GELU, UnaryKind.GELU_TANH, UnaryKind.RELU)) {
      for (boolean gated : new boolean[] {false, true}) {
        agrees(backend, Problem.of(SIZES[4], gated, true, a, DType.F32));
      }
    }
    for (DType half : List.of(DType.BF16, DType.F16)) {
      agrees(backend, Problem.of(SIZES[3], true, false, UnaryKind.SILU, half));
      agrees(backend, Problem.of(SIZES[4], false, true, UnaryKind.GELU_TANH, half));
    }
  }

  private static void agrees(Backend backend, Problem p) {
    Tensor g = Samples.normal(10, p.x.shape());
    Tensor want = Backends.with(Backends.scalar(), p::composed);
    Tensor got = Backends.with(backend, p::fused);
    Tensor bare = Backends.with(backend, () -> Autograd.noGrad(p::fused));
    assertThat(bare.toFloats()).isEqualTo(got.toFloats());
    near("feedForward", backend, want, got);
    Gradients wanted = Backends.with(Backends.scalar(), () -> want.backward(g));
    Gradients found = Backends.with(backend, () -> got.backward(g));
    for (Tensor leaf : p.leaves()) {
      near("feedForward gradient", backend, wanted.get(leaf), found.get(leaf));
    }
  }

  private static void near(String what, Backend backend, Tensor want, Tensor got) {
    double[] exact = Samples.doubles(want);
    Tolerances.check(what, backend.name(), exact, Tolerances.largest(exact), got);
  }

  @Test
  void largeProblemsAreCutIntoWavesAndTheirExpertsToo() {
    RowGroups groups = Problem.of(WAVES, true, true, UnaryKind.SILU, DType.F32).groups;
    List<Wave> waves = Wave.of(groups, 4 * (1800 + 8), 8 << 20);
    assertThat(waves).hasSizeGreaterThan(2);
    assertThat(waves).anyMatch(Wave::continues);
    assertThat(waves).anyMatch(w -> w.offsets().size() > 2);
    long next = 0;
    for (Wave w : waves) {
      assertThat(w.from()).isEqualTo(next);
      next += w.rows();
      assertThat(w.offsets().toLongs()).endsWith(w.rows());
    }
    assertThat(next).isEqualTo(groups.rows());
  }

  @ParameterizedTest
  @MethodSource("backends")
  void unusedExpertsAndDroppedChoicesGetZeros(Backend backend) {
    Problem p = Problem.of(SIZES[4], true, true, UnaryKind.SILU, DType.F32);
    Gradients found = Backends.with(backend, () -> p.fused().sum().backward());
    for (Tensor stack : p.w.all()) {
      assertThat(found.get(stack).select(0, 0).toFloats()).containsOnly(0f);
      float[] used = found.get(stack).select(0, 32).toFloats();
      assertThat(used).isNotEqualTo(new float[used.length]).doesNotContain(Float.NaN);
    }
    long[] slots = p.groups.rowSlot().toLongs();
    float[] weights = found.get(p.weights).toFloats();
    for (long slot : slots) weights[(int) slot] = 0;
    assertThat(weights).containsOnly(0f);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void bitsDoNotDependOnThreadsNorOnOtherRows(Backend backend) {
    bitsDoNotDepend(backend, Problem.of(SIZES[5], true, true, UnaryKind.SILU, DType.F32));
    bitsDoNotDepend(backend, Problem.of(WAVES, false, true, UnaryKind.GELU, DType.F32));
  }

  private static void bitsDoNotDepend(Backend backend, Problem p) {
    int before = Workers.threads();
    try {
      List<float[]> first = bits(backend, p);
      for (int threads : new int[] {1, 2, 7}) {
        Workers.setThreads(threads);
        List<float[]> again = bits(backend, p);
        for (int i = 0; i < first.size(); i++) {
          assertThat(again.get(i)).isEqualTo(first.get(i));
        }
      }
      float[] y = first.getFirst();
      int d = (int) p.x.size(1);
      long[] start = p.groups.tokenStart().toLongs();
      long[] rows = p.groups.tokenRow().toLongs();
      long[] slots = p.groups.rowSlot().toLongs();
      for (int t = 0; t < 300; t += 97) {
        int k = (int) p.weights.size(1);
        long[] ids = new long[k];
        Arrays.fill(ids, -1);
        for (long i = start[t]; i < start[t + 1]; i++) {
          int row = (int) rows[(int) i];
          ids[(int) slots[row] % k] = group(p.groups, row);
        }
        int token = t;
        Tensor alone =
            Backends.with(
                backend,
                () ->
                    Grouped.feedForward(
                        p.x.slice(0, token, token + 1),
                        p.weights.slice(0, token, token + 1),
                        RowGroups.of(Tensor.of(ids, 1, k), p.groups.groups()),
                        p.w,
                        p.activation));
        float[] row = new float[d];
        System.arraycopy(y, t * d, row, 0, d);
        assertThat(alone.toFloats()).as("token %d", t).containsExactly(row);
      }
    } finally {
      Workers.setThreads(before);
    }
  }

  private static int group(RowGroups groups, int row) {
    long[] offsets = groups.offsets().toLongs();
    int e = 0;
    while (offsets[e + 1] <= row) e++;
    return e;
  }

  private static List<float[]> bits(Backend backend, Problem p) {
    return Backends.with(
        backend,
        () -> {
          List<float[]> all = new ArrayList<>();
          Tensor y = p.fused();
          all.add(y.toFloats());
          Gradients found = y.backward(Samples.normal(10, p.x.shape()));
          p.leaves().forEach(leaf -> all.add(found.get(leaf).toFloats()));
          return all;
        });
  }

  @ParameterizedTest
  @MethodSource("backends")
  void groupsMayChooseTokens(Backend backend) {
    Tensor x = Samples.normal(1, 5, 4);
    Tensor gate = Samples.normal(2, 2, 6, 4);
    Tensor down = Samples.normal(3, 2, 4, 6);
    Tensor weights = Samples.normal(4, 2, 3);
    RowGroups g = RowGroups.ofColumns(Tensor.of(new long[] {2, 0, -1, 2, 3, 1}, 2, 3), 5);
    FeedForwardWeights w = new FeedForwardWeights(gate, null, null, null, down, null);
    Tensor y = Backends.with(backend, () -> Grouped.feedForward(x, weights, g, w, UnaryKind.RELU));
    assertThat(y.select(0, 4).toFloats()).containsOnly(0f);
    Tensor first = one(x, gate, down, 2, 0).mul(weights.get(0, 0));
    Tensor second = one(x, gate, down, 2, 1).mul(weights.get(1, 0));
    near("feedForward", backend, first.add(second), y.slice(0, 2, 3));
  }

  private static Tensor one(Tensor x, Tensor gate, Tensor down, int token, int expert) {
    Tensor h =
        Matmul.linear(x.slice(0, token, token + 1), gate.select(0, expert), null)
            .apply(UnaryKind.RELU);
    return Matmul.linear(h, down.select(0, expert), null);
  }

  @Test
  void errorsNameTheOperationAndTheShapes() {
    Problem p = Problem.of(SIZES[2], true, true, UnaryKind.SILU, DType.F32);
    FeedForwardWeights w = p.w;
    assertThatThrownBy(
            () -> Grouped.feedForward(Tensor.zeros(3, 16), p.weights, p.groups, w, p.activation))
        .hasMessageContaining("feedForward: x must have shape [3, 17], got [3, 16]");
    RowGroups fewer = RowGroups.of(Tensor.of(new long[3], 3, 1), 2);
    assertThatThrownBy(() -> Grouped.feedForward(p.x, p.weights, fewer, w, p.activation))
        .hasMessageContaining("2 groups of rows for 3 feed-forwards");
    assertThatThrownBy(() -> Grouped.feedForward(p.x, Tensor.zeros(2), p.groups, w, p.activation))
        .hasMessageContaining("feedForward: rowSlot")
        .hasMessageContaining("not in [0, 2)");
    assertThatThrownBy(() -> Grouped.feedForward(p.x, p.weights, p.groups, w, UnaryKind.TANH))
        .hasMessageContaining("activation TANH");
    assertThatThrownBy(() ->
            new FeedForwardWeights(w.gate(), null, Tensor.zeros(3, 6, 17), null, w.down(), null))
        .hasMessageContaining("up must have shape [3, 7, 17], got [3, 6, 17]");
  }

  static List<Case> cases() {
    Supplier<RowGroups> groups =
        () -> RowGroups.of(Tensor.of(new long[] {0, 3, 3, -1, 1, 3}, 3, 2), 4);
    return List.of(
        new Case(
            "feedForward, gated",
            x ->
                Grouped.feedForward(
                    x.get(0),
                    x.get(1),
                    groups.get(),
                    new FeedForwardWeights(x.get(2), null, x.get(3), null, x.get(4), null),
                    UnaryKind.SILU),
            () ->
                List.of(
                    Samples.normal(1, 3, 5),
                    Samples.normal(2, 3, 2),
                    Samples.normal(3, 4, 3, 5),
                    Samples.normal(4, 4, 3, 5),
                    Samples.normal(5, 4, 5, 3))),
        new Case(
            "feedForward, plain with biases",
            x ->
                Grouped.feedForward(
                    x.get(0),
                    x.get(1),
                    groups.get(),
                    new FeedForwardWeights(x.get(2), x.get(3), null, null, x.get(4), x.get(5)),
                    UnaryKind.GELU),
            () ->
                List.of(
                    Samples.normal(1, 3, 5),
                    Samples.normal(2, 3, 2),
                    Samples.normal(3, 4, 3, 5),
                    Samples.normal(4, 4, 3),
                    Samples.normal(5, 4, 5, 3),
                    Samples.normal(6, 4, 5))));
  }

  @TestFactory
  Stream<DynamicTest> gradients() {
    return GradientCheck.tests(cases());
  }
}
