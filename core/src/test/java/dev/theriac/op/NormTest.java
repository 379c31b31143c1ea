package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.op.GradientCheck.Case;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

@ExtendWith(TensorScope.class)
class NormTest {
  private static final float EPS = 1e-5f;
  private static final int[][] SIZES = {{0, 3}, {1, 1}, {3, 1}, {1, 17}, {17, 129}, {129, 3}};

  static List<Backend> backends() {
    return Samples.backends();
  }

  /** Normalised rows, scaled and shifted; the magnitude of each element is that of its terms. */
  private static void check(
      Backend backend, boolean centred, int n, int d, DType dtype, View view) {
    String name = centred ? "layerNorm" : "rmsNorm";
    Tensor x = view.of(Samples.normal(1, n, d).mul(3).add(1).to(dtype));
    Tensor w = view.of(Samples.normal(2, d));
    Tensor b = view.of(Samples.normal(3, d));
    Tensor y =
        Backends.with(
            backend, () -> centred ? Norm.layerNorm(x, w, b, EPS) : Norm.rmsNorm(x, w, EPS));
    assertThat(y.shape()).containsExactly(n, d);
    assertThat(y.dtype()).isEqualTo(dtype);
    double[] value = new double[n * d];
    double[] size = new double[n * d];
    for (int i = 0; i < n; i++) {
      double mean = 0;
      for (int j = 0; j < d && centred; j++) mean += x.get(i, j) / d;
      double square = 0;
      for (int j = 0; j < d; j++) square += Math.pow(x.get(i, j) - mean, 2) / d;
      double rstd = 1 / Math.sqrt(square + EPS);
      for (int j = 0; j < d; j++) {
        double shift = centred ? b.get(j) : 0;
        value[i * d + j] = (x.get(i, j) - mean) * rstd * w.get(j) + shift;
        size[i * d + j] =
            (Math.abs(x.get(i, j)) + Math.abs(mean)) * rstd * Math.abs(w.get(j)) + Math.abs(shift);
      }
    }
    Tolerances.check(name, backend.name(), value, size, y);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void agreesWithTheDefinition(Backend backend) {
    for (int[] s : SIZES) {
      for (DType dtype : Samples.FLOATING) {
        for (View view : View.values()) {
          check(backend, true, s[0], s[1], dtype, view);
          check(backend, false, s[0], s[1], dtype, view);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aConstantRowGivesTheBias(Backend backend) {
    Tensor x = Tensor.full(1000.25, DType.F32, 3, 17);
    Tensor b = Samples.normal(1, 17);
    Tensor y =
        Backends.with(backend, () -> Norm.layerNorm(x, Tensor.ones(17), b, EPS)).select(0, 2);
    for (int j = 0; j < 17; j++) assertThat(Math.abs(y.get(j) - b.get(j))).isLessThan(0.1);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void gradientsAgreeWithTheFormula(Backend backend) {
    for (int[] s : SIZES) {
      for (boolean centred : new boolean[] {true, false}) gradient(backend, centred, s[0], s[1]);
    }
  }

  private static void gradient(Backend backend, boolean centred, int n, int d) {
    Tensor x = Samples.normal(1, n, d).requireGrad(true);
    Tensor w = Samples.normal(2, d).requireGrad(true);
    Tensor b = Samples.normal(3, d).requireGrad(true);
    Tensor g = Samples.normal(4, n, d);
    Gradients found =
        Backends.with(
            backend,
            () -> (centred ? Norm.layerNorm(x, w, b, EPS) : Norm.rmsNorm(x, w, EPS)).backward(g));
    double[] dx = new double[n * d];
    double[] sizeX = new double[n * d];
    double[][] columns = new double[4][d];
    for (int i = 0; i < n; i++) {
      double mean = 0;
      for (int j = 0; j < d && centred; j++) mean += x.get(i, j) / d;
      double square = 0;
      for (int j = 0; j < d; j++) square += Math.pow(x.get(i, j) - mean, 2) / d;
      double rstd = 1 / Math.sqrt(square + EPS);
      double sumG = 0;
      double sumGh = 0;
      double sizeG = 0;
      for (int j = 0; j < d; j++) {
        double h = (x.get(i, j) - mean) * rstd;
        double gw = g.get(i, j) * w.get(j);
        sumG += gw;
        sumGh += gw * h;
        sizeG = Math.max(sizeG, Math.abs(gw) * (1 + Math.abs(h) + Math.abs(x.get(i, j)) * rstd));
        columns[0][j] += g.get(i, j) * h;
        columns[1][j] += Math.abs(g.get(i, j)) * (Math.abs(x.get(i, j)) + Math.abs(mean)) * rstd;
        columns[2][j] += g.get(i, j);
        columns[3][j] += Math.abs(g.get(i, j));
      }
      for (int j = 0; j < d; j++) {
        double h = (x.get(i, j) - mean) * rstd;
        double gw = g.get(i, j) * w.get(j);
        dx[i * d + j] = rstd * (gw - (centred ? sumG / d : 0) - h * sumGh / d);
        sizeX[i * d + j] = rstd * sizeG * (1 + Math.abs(h));
      }
    }
    String name = (centred ? "layerNorm" : "rmsNorm") + " gradient";
    Tolerances.check(name, backend.name(), dx, sizeX, found.get(x));
    Tolerances.check(name, backend.name(), columns[0], columns[1], found.get(w));
    if (centred) Tolerances.check(name, backend.name(), columns[2], columns[3], found.get(b));
  }

  @Test
  void frozenInputsGetNoGradient() {
    for (Backend backend : backends()) {
      Tensor x = Samples.normal(1, 3, 17);
      Tensor w = Samples.normal(2, 17).requireGrad(true);
      Gradients found = Backends.with(backend, () -> Norm.rmsNorm(x, w, EPS).sum().backward());
      assertThat(found.leaves()).containsExactly(w);
    }
  }

  @Test
  void errorsNameTheOperationAndTheShapes() {
    Tensor x = Tensor.zeros(2, 3);
    assertThatThrownBy(() -> Norm.layerNorm(x, Tensor.zeros(4), Tensor.zeros(3), EPS))
        .hasMessageContaining("layerNorm: weight must have shape [3], got [4]");
    assertThatThrownBy(() -> Norm.layerNorm(x, Tensor.zeros(3), Tensor.zeros(4), EPS))
        .hasMessageContaining("layerNorm: bias must have shape [3], got [4]");
    assertThatThrownBy(() -> Norm.rmsNorm(x, Tensor.zeros(2), EPS))
        .hasMessageContaining("rmsNorm: weight must have shape [3], got [2]");
    assertThatThrownBy(() -> Norm.rmsNorm(Tensor.zeros(3, 0), Tensor.zeros(0), EPS))
        .hasMessageContaining("rmsNorm")
        .hasMessageContaining("[3, 0]");
    assertThatThrownBy(() -> Norm.addRmsNorm(x, Tensor.zeros(3), Tensor.zeros(3), EPS))
        .hasMessageContaining("addRmsNorm: r must have shape [2, 3], got [3]");
  }

  static List<Case> cases() {
    return List.of(
        new Case(
            "layerNorm",
            x -> Norm.layerNorm(x.get(0), x.get(1), x.get(2), EPS),
            () -> List.of(Samples.normal(1, 2, 3, 5), Samples.normal(2, 5), Samples.normal(3, 5))),
        new Case(
            "rmsNorm",
            x -> Norm.rmsNorm(x.get(0), x.get(1), EPS),
            () -> List.of(Samples.normal(1, 3, 5), Samples.normal(2, 5))),
        new Case(
            "addLayerNorm",
            x -> block(Norm.addLayerNorm(x.get(0), x.get(1), x.get(2), x.get(3), EPS)),
            () ->
                List.of(
                    Samples.normal(1, 2, 3, 5),
                    Samples.normal(2, 2, 3, 5),
                    Samples.normal(3, 5),
                    Samples.normal(4, 5))),
        new Case(
            "addRmsNorm",
            x -> block(Norm.addRmsNorm(x.get(0), x.get(1), x.get(2), EPS)),
            () -> List.of(Samples.normal(1, 3, 5), Samples.normal(2, 3, 5), Samples.normal(3, 5))),
        new Case(
            "addRmsNorm, norm alone",
            x -> Norm.addRmsNorm(x.get(0), x.get(1), x.get(2), EPS).norm(),
            () -> List.of(Samples.normal(1, 3, 5), Samples.normal(2, 3, 5), Samples.normal(3, 5))));
  }

  /** As in a decoder: the sum goes on beside what is computed from the norm. */
  private static Tensor block(Norm.Added added) {
    return added.sum().add(added.norm().mul(added.norm()));
  }

  /** Forward and backward, one operation has the bits of two. */
  @ParameterizedTest
  @MethodSource("backends")
  void addingFirstChangesNoBit(Backend backend) {
    for (int[] s : SIZES) {
      for (DType dtype : Samples.FLOATING) {
        for (boolean centred : new boolean[] {true, false}) {
          Tensor[] leaves = {
            Samples.normal(1, 2, s[0], s[1]).to(dtype).requireGrad(true),
            Samples.normal(2, 2, s[0], s[1]).to(dtype).requireGrad(true),
            Samples.normal(3, s[1]).requireGrad(true),
            Samples.normal(4, s[1]).requireGrad(true)
          };
          float[][][] found = new float[2][][];
          for (int fused = 0; fused < 2; fused++) {
            boolean one = fused == 1;
            found[fused] = Backends.with(backend, () -> outcome(leaves, centred, one));
          }
          assertThat(found[1]).isDeepEqualTo(found[0]);
        }
      }
    }
  }

  private static float[][] outcome(Tensor[] in, boolean centred, boolean fused) {
    Norm.Added a;
    if (fused) {
      a =
          centred
              ? Norm.addLayerNorm(in[0], in[1], in[2], in[3], EPS)
              : Norm.addRmsNorm(in[0], in[1], in[2], EPS);
    } else {
      Tensor sum = in[0].add(in[1]);
      a =
          new Norm.Added(
              sum,
              centred ? Norm.layerNorm(sum, in[2], in[3], EPS) : Norm.rmsNorm(sum, in[2], EPS));
    }
    Tensor out = block(a).retain();
    Gradients grads = out.to(DType.F32).sum().backward();
    float[][] all = new float[centred ? 5 : 4][];
    all[0] = out.to(DType.F32).toFloats();
    for (int i = 0; i < all.length - 1; i++) all[i + 1] = grads.get(in[i]).toFloats();
    return all;
  }

  @TestFactory
  Stream<DynamicTest> gradients() {
    return GradientCheck.tests(cases());
  }
}
