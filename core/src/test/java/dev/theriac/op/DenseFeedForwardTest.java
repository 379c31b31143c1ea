package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.UnaryKind;
import dev.theriac.backend.Workers;
import dev.theriac.op.GradientCheck.Case;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The dense feed-forward against its layers one after the other. */
@ExtendWith(TensorScope.class)
class DenseFeedForwardTest {
  static List<Backend> backends() {
    return Samples.backends();
  }

  /** Rows, d, n, m; the last one is taken in parts. */
  private static final int[][] SIZES = {
    {0, 3, 5, 3},
    {1, 1, 1, 1},
    {3, 17, 7, 17},
    {17, 5, 129, 33},
    {129, 64, 256, 64},
    {33, 2100, 100, 5},
    {2100, 3, 8200, 2},
  };

  private record Problem(
      Tensor x,
      Tensor gate,
      Tensor gateBias,
      Tensor up,
      Tensor upBias,
      Tensor down,
      Tensor downBias,
      UnaryKind activation) {
    static Problem of(int[] size, boolean gated, boolean biased, UnaryKind activation, DType type) {
      int d = size[1];
      int n = size[2];
      int m = size[3];
      double std = 1 / Math.sqrt(d);
      return new Problem(
          leaf(1, 1, DType.F32, size[0], d),
          leaf(2, std, type, n, d),
          biased ? leaf(3, 1, DType.F32, n) : null,
          gated ? leaf(4, std, type, n, d) : null,
          gated && biased ? leaf(5, 1, DType.F32, n) : null,
          leaf(6, 1 / Math.sqrt(n), type, m, n),
          biased ? leaf(7, 1, DType.F32, m) : null,
          activation);
    }

    private static Tensor leaf(long seed, double std, DType type, long... shape) {
      return Tensor.randn(new Rng(seed), std, shape).to(type).requireGrad(true);
    }

    List<Tensor> leaves() {
      return Stream.of(x, gate, gateBias, up, upBias, down, downBias)
          .filter(t -> t != null)
          .toList();
    }

    Tensor fused() {
      return Matmul.feedForward(x, gate, gateBias, up, upBias, down, downBias, activation);
    }

    /** The gradient of x of the gated form in float64, given that of the result. */
    double[] gradientOfX(Tensor g) {
      int d = (int) gate.size(1);
      int n = (int) gate.size(0);
      int m = (int) down.size(0);
      double[] in = Samples.doubles(x);
      double[] wg = Samples.doubles(gate);
      double[] wu = Samples.doubles(up);
      double[] wd = Samples.doubles(down);
      double[] bg = gateBias == null ? new double[n] : Samples.doubles(gateBias);
      double[] bu = upBias == null ? new double[n] : Samples.doubles(upBias);
      double[] dy = Samples.doubles(g);
      double[] dx = new double[in.length];
      for (int t = 0; t < in.length / d; t++) {
        for (int j = 0; j < n; j++) {
          double z = bg[j];
          double u = bu[j];
          for (int k = 0; k < d; k++) {
            z += in[t * d + k] * wg[j * d + k];
            u += in[t * d + k] * wu[j * d + k];
          }
          double dh = 0;
          for (int i = 0; i < m; i++) dh += dy[t * m + i] * wd[i * n + j];
          double sigmoid = 1 / (1 + Math.exp(-z));
          double dz = dh * u * sigmoid * (1 + z * (1 - sigmoid));
          double du = dh * z * sigmoid;
          for (int k = 0; k < d; k++) dx[t * d + k] += dz * wg[j * d + k] + du * wu[j * d + k];
        }
      }
      return dx;
    }

    Tensor composed() {
      Tensor z = Matmul.linear(x, gate, gateBias);
      Tensor a =
          up == null ? z.apply(activation) : Elementwise.swiglu(z, Matmul.linear(x, up, upBias));
      return Matmul.linear(a, down, downBias);
    }
  }

  private static Stream<Problem> problems() {
    List<Problem> all = new ArrayList<>();
    for (int[] size : SIZES) {
      for (boolean biased : new boolean[] {false, true}) {
        all.add(Problem.of(size, true, biased, UnaryKind.SILU, DType.F32));
        all.add(Problem.of(size, false, biased, UnaryKind.GELU_TANH, DType.F32));
      }
    }
    for (UnaryKind a : List.of(UnaryKind.GELU, UnaryKind.QUICK_GELU, UnaryKind.RELU)) {
      all.add(Problem.of(SIZES[3], false, true, a, DType.F32));
    }
    all.add(Problem.of(SIZES[3], true, true, UnaryKind.SILU, DType.BF16));
    all.add(Problem.of(SIZES[3], false, true, UnaryKind.SILU, DType.F16));
    return all.stream();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void hasTheBitsOfItsLayersAndGradientsNearTheirs(Backend backend) {
    problems()
        .filter(p -> p.gate.size(0) < 1000 || !backend.name().equals("scalar"))
        .forEach(p -> {
          Tensor want = Backends.with(backend, p::composed);
          Tensor got = Backends.with(backend, p::fused);
          Tensor bare = Backends.with(backend, () -> Autograd.noGrad(p::fused));
          assertThat(got.toFloats()).isEqualTo(want.toFloats());
          assertThat(bare.toFloats()).isEqualTo(want.toFloats());
          Tensor g = Samples.normal(10, want.shape());
          Gradients wanted = Backends.with(backend, () -> want.backward(g));
          Gradients found = Backends.with(backend, () -> got.backward(g));
          for (Tensor leaf : p.leaves()) {
            // One chain of 16400 terms beside two of 8200, neither of them exact.
            boolean chained = leaf == p.x && p.up != null && p.gate.size(0) > 1000;
            double[] exact = chained ? p.gradientOfX(g) : Samples.doubles(wanted.get(leaf));
            Tolerances.check(
                "feedForward gradient",
                backend.name(),
                exact,
                Tolerances.largest(exact),
                found.get(leaf));
          }
        });
  }

  @ParameterizedTest
  @MethodSource("backends")
  void bitsDoNotDependOnThreadsNorOnOtherRows(Backend backend) {
    int before = Workers.threads();
    try {
      for (boolean gated : new boolean[] {false, true}) {
        Problem p = Problem.of(SIZES[4], gated, true, UnaryKind.SILU, DType.F32);
        List<float[]> first = bits(backend, p);
        for (int threads : new int[] {1, 2, 7}) {
          Workers.setThreads(threads);
          List<float[]> again = bits(backend, p);
          for (int i = 0; i < first.size(); i++) {
            assertThat(again.get(i)).isEqualTo(first.get(i));
          }
        }
        Problem one =
            new Problem(
                p.x.slice(0, 77, 78),
                p.gate,
                p.gateBias,
                p.up,
                p.upBias,
                p.down,
                p.downBias,
                p.activation);
        Tensor all = Backends.with(backend, p::fused);
        assertThat(Backends.with(backend, one::fused).toFloats())
            .isEqualTo(all.slice(0, 77, 78).toFloats());
      }
    } finally {
      Workers.setThreads(before);
    }
  }

  private static List<float[]> bits(Backend backend, Problem p) {
    return Backends.with(
        backend,
        () -> {
          List<float[]> all = new ArrayList<>();
          Tensor y = p.fused();
          all.add(y.toFloats());
          Gradients found = y.backward(Samples.normal(10, y.shape()));
          p.leaves().forEach(leaf -> all.add(found.get(leaf).toFloats()));
          return all;
        });
  }

  @Test
  void takesAnyLeadingDimensionsViewsAndFrozenParameters() {
    Problem p = Problem.of(SIZES[3], true, true, UnaryKind.SILU, DType.F32);
    Tensor x = Samples.normal(1, 5, 4, 2).transpose(0, 2).requireGrad(true);
    Tensor gate = Samples.normal(2, 5, 129).transpose(0, 1);
    Tensor y = Matmul.feedForward(x, gate, null, null, null, p.down.detach(), null, UnaryKind.RELU);
    assertThat(y.shape()).containsExactly(2, 4, 33);
    Tensor z = Matmul.linear(x, gate, null).apply(UnaryKind.RELU);
    assertThat(y.toFloats()).isEqualTo(Matmul.linear(z, p.down, null).toFloats());
    Gradients found = y.sum().backward();
    assertThat(found.leaves()).hasSize(1);
    assertThat(found.get(x).shape()).containsExactly(2, 4, 5);
    Tensor half = Samples.normal(1, 3, 5).to(DType.BF16);
    assertThat(
            Matmul.feedForward(half, gate, null, null, null, p.down, null, UnaryKind.RELU).dtype())
        .isEqualTo(DType.BF16);
  }

  /** The argument of the activation is kept, and nothing else of that size. */
  @Test
  void keepsOneTensorOfTheHiddenWidth() {
    Problem p = Problem.of(new int[] {256, 8, 1024, 8}, false, true, UnaryKind.GELU, DType.F32);
    long hidden = 4L * 256 * 1024;
    try (Scope _ = Scope.open()) {
      long before = Memory.stats().live();
      Tensor y = p.fused();
      assertThat(Memory.stats().live() - before).isBetween(hidden, hidden + hidden / 4);
      Memory.resetPeak();
      y.sum().backward();
      assertThat(Memory.stats().peak() - before).isLessThan(2 * hidden + hidden / 2);
    }
  }

  /** The last bias alone needs nothing of the hidden width. */
  @ParameterizedTest
  @MethodSource("backends")
  void theGradientOfTheLastBiasAloneTakesNoHiddenRows(Backend backend) {
    Problem p = Problem.of(new int[] {256, 8, 1024, 8}, true, true, UnaryKind.SILU, DType.F32);
    Tensor g = Samples.normal(10, 256, 8);
    Gradients all = Backends.with(backend, () -> p.fused().backward(g));
    p.leaves().forEach(leaf -> leaf.requireGrad(leaf == p.downBias));
    Tensor y = Backends.with(backend, p::fused);
    long live = Memory.stats().live();
    Memory.resetPeak();
    Gradients found = Backends.with(backend, () -> y.backward(g));
    assertThat(Memory.stats().peak() - live).isLessThan(4L * 256 * 1024 / 2);
    assertThat(found.leaves()).containsExactly(p.downBias);
    assertThat(found.get(p.downBias).toFloats()).isEqualTo(all.get(p.downBias).toFloats());
  }

  @Test
  void errorsNameTheOperationAndTheShapes() {
    Problem p = Problem.of(SIZES[2], true, true, UnaryKind.SILU, DType.F32);
    assertThatThrownBy(() ->
            Matmul.feedForward(
                Tensor.zeros(3, 16), p.gate, null, null, null, p.down, null, UnaryKind.SILU))
        .hasMessageContaining("feedForward: input [3, 16]");
    assertThatThrownBy(
            () -> Matmul.feedForward(p.x, p.gate, null, p.down, null, p.down, null, UnaryKind.SILU))
        .hasMessageContaining("up must have shape [7, 17]");
    assertThatThrownBy(
            () -> Matmul.feedForward(p.x, p.gate, null, p.up, null, p.down, null, UnaryKind.GELU))
        .hasMessageContaining("activation GELU with up");
    assertThatThrownBy(() ->
            Matmul.feedForward(p.x, p.gate, null, null, p.upBias, p.down, null, UnaryKind.SILU))
        .hasMessageContaining("upBias without up");
  }

  static List<Case> cases() {
    return List.of(
        new Case(
            "denseFeedForward, gated",
            x ->
                Matmul.feedForward(
                    x.get(0), x.get(1), null, x.get(2), null, x.get(3), null, UnaryKind.SILU),
            () ->
                List.of(
                    Samples.normal(1, 3, 5),
                    Samples.normal(2, 4, 5),
                    Samples.normal(3, 4, 5),
                    Samples.normal(4, 5, 4))),
        new Case(
            "denseFeedForward, plain with biases",
            x ->
                Matmul.feedForward(
                    x.get(0),
                    x.get(1),
                    x.get(2),
                    null,
                    null,
                    x.get(3),
                    x.get(4),
                    UnaryKind.GELU_TANH),
            () ->
                List.of(
                    Samples.normal(1, 3, 5),
                    Samples.normal(2, 4, 5),
                    Samples.normal(3, 4),
                    Samples.normal(4, 2, 4),
                    Samples.normal(5, 2))));
  }

  @TestFactory
  Stream<DynamicTest> gradientsMatchFiniteDifferences() {
    return GradientCheck.tests(cases());
  }
}
