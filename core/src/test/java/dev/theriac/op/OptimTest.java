package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backend;
import dev.theriac.backend.OptimKernels.AdamW;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The optimisers' kernels, several steps each. */
@ExtendWith(TensorScope.class)
class OptimTest {
  private static final int[] SIZES = {0, 1, 3, 17, 129, 20_001};

  static List<Backend> backends() {
    return Samples.backends();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void adamWFollowsTheAlgorithm(Backend backend) {
    for (int n : SIZES) {
      Tensor parameter = Samples.normal(1, n);
      Tensor m = Tensor.zeros(n);
      Tensor v = Tensor.zeros(n);
      for (int step = 1; step <= 3; step++) {
        var options = new AdamW(1e-2, 0.9, 0.999, 1e-8, 0.1, step);
        Tensor grad = Samples.normal(10 + step, n);
        double[] p = Samples.doubles(parameter);
        double[] g = Samples.doubles(grad);
        double[] first = Samples.doubles(m);
        double[] second = Samples.doubles(v);
        double[][] size = new double[3][n];
        for (int i = 0; i < n; i++) {
          double scaled = 0.5 * g[i];
          size[1][i] = Math.abs(0.9 * first[i]) + Math.abs(0.1 * scaled);
          first[i] = 0.9 * first[i] + 0.1 * scaled;
          second[i] = 0.999 * second[i] + 0.001 * scaled * scaled;
          double mean = first[i] / (1 - Math.pow(0.9, step));
          double root = Math.sqrt(second[i] / (1 - Math.pow(0.999, step)));
          double move = 1e-2 * mean / (root + 1e-8);
          size[0][i] = Math.abs(p[i]) + Math.abs(move);
          p[i] = p[i] * (1 - 1e-2 * 0.1) - move;
        }
        backend
            .optim()
            .adamW(parameter.strided(), grad.strided(), m.strided(), v.strided(), 0.5f, options);
        Tolerances.check("adamW", backend.name(), p, size[0], parameter);
        Tolerances.check("adamW", backend.name(), first, size[1], m);
        Tolerances.check("adamW", backend.name(), second, v);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void sgdFollowsTheFormula(Backend backend) {
    for (int n : SIZES) {
      for (double momentum : new double[] {0, 0.9}) {
        Tensor parameter = Samples.normal(1, n);
        Tensor buffer = momentum == 0 ? null : Tensor.zeros(n);
        for (int step = 1; step <= 3; step++) {
          Tensor grad = Samples.normal(10 + step, n);
          double[] p = Samples.doubles(parameter);
          double[] g = Samples.doubles(grad);
          double[] b = buffer == null ? new double[n] : Samples.doubles(buffer);
          double[] size = new double[n];
          for (int i = 0; i < n; i++) {
            size[i] = 0.5 * Math.abs(g[i]) + 0.01 * Math.abs(p[i]) + momentum * Math.abs(b[i]);
            b[i] = 0.5 * g[i] + 0.01 * p[i] + momentum * b[i];
          }
          backend
              .optim()
              .sgd(
                  parameter.strided(),
                  grad.strided(),
                  buffer == null ? null : buffer.strided(),
                  0.5f,
                  0.1,
                  momentum,
                  0.01);
          if (buffer != null) Tolerances.check("sgd", backend.name(), b, size, buffer);
          for (int i = 0; i < n; i++) {
            size[i] = Math.abs(p[i]) + 0.1 * size[i];
            p[i] -= 0.1 * b[i];
          }
          Tolerances.check("sgd", backend.name(), p, size, parameter);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void sumsSquaresInOneOrderForAnyNumberOfThreads(Backend backend) {
    int before = Workers.threads();
    try {
      for (int n : SIZES) {
        Tensor x = Samples.normal(1, n);
        double want = 0;
        for (double value : Samples.doubles(x)) want += value * value;
        double first = backend.optim().sumOfSquares(x.strided());
        assertThat(Math.abs(first - want)).isLessThanOrEqualTo(want * 1e-12);
        for (int threads : new int[] {1, 2, 3, 7}) {
          Workers.setThreads(threads);
          assertThat(backend.optim().sumOfSquares(x.strided())).isEqualTo(first);
        }
      }
    } finally {
      Workers.setThreads(before);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aStepWithoutGradientOnlyDecays(Backend backend) {
    Tensor parameter = Tensor.full(2, DType.F32, 17);
    Tensor zero = Tensor.zeros(17);
    Tensor m = Tensor.zeros(17);
    Tensor v = Tensor.zeros(17);
    backend
        .optim()
        .adamW(
            parameter.strided(),
            zero.strided(),
            m.strided(),
            v.strided(),
            1,
            new AdamW(0.5, 0.9, 0.999, 1e-8, 0.5, 1));
    assertThat(parameter.toFloats()).containsOnly(1.5f);
    assertThat(m.toFloats()).containsOnly(0f);
  }
}
