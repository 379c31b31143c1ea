package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.op.GradientCheck.Case;
import dev.theriac.tensor.DType;
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

@ExtendWith(TensorScope.class)
class AttentionTest {
  /** Sizes of one call: window (0: none), batch, queries, keys, heads, key-value heads, depth. */
  private record Size(
      int window, int b, int t, int s, int h, int g, int d, boolean causal, long... lengths) {
    Size(int b, int t, int s, int h, int g, int d, boolean causal, long... lengths) {
      this(0, b, t, s, h, g, d, causal, lengths);
    }

    Tensor attend(Tensor q, Tensor k, Tensor v, Tensor lengths) {
      return window == 0
          ? Attention.attention(q, k, v, lengths, causal)
          : WindowedAttention.attention(q, k, v, lengths, window);
    }

    Tensor q(long seed) {
      return Samples.normal(seed, b, t, h, d);
    }

    Tensor kv(long seed) {
      return Samples.normal(seed, b, s, g, d);
    }

    Tensor padding() {
      return lengths.length == 0 ? null : Tensor.of(lengths);
    }

    /** The mask by its definition. */
    boolean sees(int batch, int query, int key) {
      if (window > 0 && key <= s - t + query - window) return false;
      return (!causal || key <= s - t + query) && (lengths.length == 0 || key < lengths[batch]);
    }
  }

  private static final List<Size> SIZES =
      List.of(
          new Size(1, 1, 1, 1, 1, 1, false),
          new Size(2, 3, 3, 2, 2, 17, true),
          new Size(1, 1, 17, 4, 1, 8, true),
          new Size(2, 5, 17, 4, 2, 3, true, 17, 9),
          new Size(1, 17, 17, 2, 1, 16, false, 3),
          new Size(3, 3, 17, 3, 3, 5, false, 0, 17, 1),
          new Size(1, 129, 129, 1, 1, 33, true),
          new Size(1, 3, 129, 6, 2, 64, false),
          new Size(0, 3, 3, 2, 2, 4, true),
          new Size(2, 3, 0, 1, 1, 4, false),
          new Size(1, 1, 5, 5, 2, 2, 17, true),
          new Size(3, 2, 17, 17, 2, 1, 5, true),
          new Size(4, 1, 9, 21, 4, 2, 8, true),
          new Size(5, 2, 1, 17, 4, 1, 8, true),
          new Size(48, 1, 129, 129, 2, 1, 33, true));

  static List<Backend> backends() {
    return Samples.backends();
  }

  /** Probabilities [B, H, T, S] by definition. */
  private static double[] probabilities(Size z, double[] q, double[] k, double scale) {
    double[] p = new double[z.b * z.h * z.t * z.s];
    for (int b = 0; b < z.b; b++) {
      for (int h = 0; h < z.h; h++) {
        for (int t = 0; t < z.t; t++) {
          int row = ((b * z.h + h) * z.t + t) * z.s;
          double max = Double.NEGATIVE_INFINITY;
          for (int s = 0; s < z.s; s++) {
            p[row + s] =
                z.sees(b, t, s) ? scale * dot(z, q, k, b, t, s, h) : Double.NEGATIVE_INFINITY;
            max = Math.max(max, p[row + s]);
          }
          double sum = 0;
          for (int s = 0; s < z.s; s++) sum += Math.exp(p[row + s] - max);
          for (int s = 0; s < z.s; s++) {
            p[row + s] = max == Double.NEGATIVE_INFINITY ? 0 : Math.exp(p[row + s] - max) / sum;
          }
        }
      }
    }
    return p;
  }

  private static int at(Size z, int b, int t, int h) {
    return ((b * z.t + t) * z.h + h) * z.d;
  }

  private static int key(Size z, int b, int s, int h) {
    return ((b * z.s + s) * z.g + h / (z.h / z.g)) * z.d;
  }

  private static double dot(Size z, double[] q, double[] k, int b, int t, int s, int h) {
    double sum = 0;
    for (int d = 0; d < z.d; d++) sum += q[at(z, b, t, h) + d] * k[key(z, b, s, h) + d];
    return sum;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void agreesWithTheDefinition(Backend backend) {
    for (Size z : SIZES) {
      for (View view : View.values()) {
        Tensor q = view.of(z.q(1));
        Tensor k = view.of(z.kv(2));
        Tensor v = view.of(z.kv(3));
        Tensor lengths = z.padding() == null ? null : view.of(z.padding());
        Tensor out = Backends.with(backend, () -> z.attend(q, k, v, lengths));
        double scale = (float) (1 / Math.sqrt(z.d));
        double[] p = probabilities(z, Samples.doubles(q), Samples.doubles(k), scale);
        double[] values = Samples.doubles(v);
        double[] want = new double[z.b * z.t * z.h * z.d];
        double[] size = new double[want.length];
        for (int b = 0; b < z.b; b++) {
          for (int h = 0; h < z.h; h++) {
            for (int t = 0; t < z.t; t++) {
              for (int s = 0; s < z.s; s++) {
                double w = p[((b * z.h + h) * z.t + t) * z.s + s];
                for (int d = 0; d < z.d; d++) {
                  want[at(z, b, t, h) + d] += w * values[key(z, b, s, h) + d];
                  size[at(z, b, t, h) + d] += w * Math.abs(values[key(z, b, s, h) + d]);
                }
              }
            }
          }
        }
        Tolerances.check("attention", backend.name(), want, size, out);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void gradientsAgreeWithTheFormula(Backend backend) {
    for (Size z : SIZES) {
      Tensor q = z.q(1).requireGrad(true);
      Tensor k = z.kv(2).requireGrad(true);
      Tensor v = z.kv(3).requireGrad(true);
      Tensor g = z.q(4);
      Gradients found = Backends.with(backend, () -> z.attend(q, k, v, z.padding()).backward(g));
      double[] qd = Samples.doubles(q);
      double[] kd = Samples.doubles(k);
      double[] vd = Samples.doubles(v);
      double[] gd = Samples.doubles(g);
      double scale = (float) (1 / Math.sqrt(z.d));
      double[] p = probabilities(z, qd, kd, scale);
      double[][] want = {new double[qd.length], new double[kd.length], new double[vd.length]};
      double[][] size = {new double[qd.length], new double[kd.length], new double[vd.length]};
      for (int b = 0; b < z.b; b++) {
        for (int h = 0; h < z.h; h++) {
          for (int t = 0; t < z.t; t++) {
            int row = ((b * z.h + h) * z.t + t) * z.s;
            int query = at(z, b, t, h);
            double mean = 0;
            double all = 0;
            for (int s = 0; s < z.s; s++) {
              double dp = 0;
              for (int d = 0; d < z.d; d++) dp += gd[query + d] * vd[key(z, b, s, h) + d];
              mean += p[row + s] * dp;
              for (int d = 0; d < z.d; d++) {
                all += p[row + s] * Math.abs(gd[query + d] * vd[key(z, b, s, h) + d]);
              }
            }
            for (int s = 0; s < z.s; s++) {
              int key = key(z, b, s, h);
              double dp = 0;
              double sizeDp = 0;
              for (int d = 0; d < z.d; d++) {
                dp += gd[query + d] * vd[key + d];
                sizeDp += Math.abs(gd[query + d] * vd[key + d]);
              }
              double ds = p[row + s] * (dp - mean) * scale;
              double sizeDs = p[row + s] * (sizeDp + all) * scale;
              for (int d = 0; d < z.d; d++) {
                want[0][query + d] += ds * kd[key + d];
                want[1][key + d] += ds * qd[query + d];
                want[2][key + d] += p[row + s] * gd[query + d];
                size[0][query + d] += sizeDs * Math.abs(kd[key + d]);
                size[1][key + d] += sizeDs * Math.abs(qd[query + d]);
                size[2][key + d] += p[row + s] * Math.abs(gd[query + d]);
              }
            }
          }
        }
      }
      List<Tensor> inputs = List.of(q, k, v);
      for (int i = 0; i < 3; i++) {
        Tolerances.check(
            "attention gradient", backend.name(), want[i], size[i], found.get(inputs.get(i)));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void largeScoresDoNotOverflow(Backend backend) {
    Tensor q = Tensor.full(100, DType.F32, 1, 3, 1, 17).requireGrad(true);
    Tensor k = Tensor.full(100, DType.F32, 1, 17, 1, 17);
    Tensor v = Tensor.full(2, DType.F32, 1, 17, 1, 17);
    Tensor out = Backends.with(backend, () -> Attention.attention(q, k, v, null, true)).retain();
    for (float f : out.toFloats()) assertThat(Math.abs(f - 2)).isLessThan(1e-6f);
    Tensor dq = Backends.with(backend, () -> out.sum().backward().get(q));
    for (float f : dq.toFloats()) assertThat(f).isFinite();
  }

  @Test
  void aQueryBlockAfterCachedKeysGivesTheRowsOfTheWhole() {
    for (Backend backend : backends()) {
      Tensor q = Samples.normal(1, 2, 17, 4, 8);
      Tensor k = Samples.normal(2, 2, 17, 2, 8);
      Tensor v = Samples.normal(3, 2, 17, 2, 8);
      Tensor all = Backends.with(backend, () -> Attention.attention(q, k, v, null, true));
      Tensor last =
          Backends.with(backend, () -> Attention.attention(q.slice(1, 14, 17), k, v, null, true));
      assertThat(last.shape()).containsExactly(2, 3, 4, 8);
      double[] want = Samples.doubles(all.slice(1, 14, 17));
      Tolerances.check("attention", backend.name(), want, Tolerances.largest(want), last);
    }
  }

  @Test
  void halfTypesComeBackAsTheyCame() {
    Tensor x = Samples.normal(1, DType.BF16, 1, 3, 2, 8);
    assertThat(Attention.attention(x, x, x, null, true).dtype()).isEqualTo(DType.BF16);
  }

  @Test
  void errorsNameTheOperationAndTheShapes() {
    Tensor q = Tensor.zeros(2, 3, 4, 8);
    Tensor k = Tensor.zeros(2, 5, 3, 8);
    assertThatThrownBy(() -> Attention.attention(q, k, k, null, false))
        .hasMessageContaining("attention")
        .hasMessageContaining("[2, 3, 4, 8]")
        .hasMessageContaining("[2, 5, 3, 8]");
    Tensor two = Tensor.zeros(2, 2, 4, 8);
    assertThatThrownBy(() -> Attention.attention(q, two, two, null, true))
        .hasMessageContaining("attention: 3 causal queries for 2 keys");
    Tensor long1 = Tensor.of(new long[] {1, 4});
    assertThatThrownBy(() -> Attention.attention(q, q, q, long1, false))
        .hasMessageContaining("attention lengths: id 4 at position 1");
    Tensor least = Tensor.of(new long[] {1, Long.MIN_VALUE});
    assertThatThrownBy(() -> Attention.attention(q, q, q, least, false))
        .hasMessageContaining("attention lengths: id " + Long.MIN_VALUE + " at position 1");
    assertThatThrownBy(() -> Attention.attention(q, q, q, Tensor.of(new long[] {1}), false))
        .hasMessageContaining("lengths must have shape [2], got [1]");
    assertThatThrownBy(() -> Attention.attention(q, q, q, Tensor.zeros(2), false))
        .hasMessageContaining("lengths must be I64");
  }

  static List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (Size z :
        List.of(
            new Size(2, 2, 3, 2, 2, 3, false),
            new Size(1, 3, 3, 4, 2, 2, true),
            new Size(2, 2, 4, 1, 1, 3, true, 4, 2))) {
      cases.add(
          new Case(
              "attention " + z,
              x -> Attention.attention(x.get(0), x.get(1), x.get(2), z.padding(), z.causal, 0.7),
              () -> List.of(z.q(1), z.kv(2), z.kv(3))));
    }
    // Windows: a block and one beside it, and one query for each row.
    for (Size z :
        List.of(new Size(1, 7, 7, 2, 1, 2, true), new Size(2, 1, 5, 2, 2, 3, true, 5, 2))) {
      cases.add(
          new Case(
              "windowed attention " + z,
              x -> WindowedAttention.attention(x.get(0), x.get(1), x.get(2), z.padding(), 3),
              () -> List.of(z.q(1), z.kv(2), z.kv(3))));
    }
    return cases;
  }

  @TestFactory
  Stream<DynamicTest> gradients() {
    return GradientCheck.tests(cases());
  }
}
