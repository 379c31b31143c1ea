package dev.theriac.op;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;

/**
 * Compares gradients with finite differences of sum(weights * f(x)), for every input of f, every
 * way in which inputs can lie in memory, and every back end. Differences are taken over outputs of
 * the scalar back end, summed in float64: five points, so that the truncation error is of fourth
 * order in the step, with a step relative to the largest input. The tolerance is relative to the
 * largest gradient of the input.
 */
public final class GradientCheck {
  private static final double STEP = 0x1p-6;
  private static final double TOLERANCE = 2e-4;

  /**
   * One function to check.
   *
   * @param name shown in reports
   * @param f differentiable at the inputs and around them
   * @param inputs makes the inputs, all F32 and all differentiable; called once in each test
   */
  public record Case(String name, Function<List<Tensor>, Tensor> f, Inputs inputs) {
    @Override
    public String toString() {
      return name;
    }
  }

  /** Makes the inputs of a case. */
  public interface Inputs {
    List<Tensor> make();
  }

  private GradientCheck() {}

  /** A test for every case, way of lying in memory and back end. */
  static Stream<DynamicTest> tests(List<Case> cases) {
    List<DynamicTest> tests = new ArrayList<>();
    for (Case c : cases) {
      for (View view : View.values()) {
        tests.add(DynamicTest.dynamicTest(c.name + ", inputs " + view, () -> check(c, view)));
      }
    }
    return tests.stream();
  }

  private static void check(Case c, View view) {
    List<Tensor> leaves = new ArrayList<>();
    for (Tensor x : c.inputs.make()) leaves.add(view.base(x).requireGrad(true));
    Function<List<Tensor>, Tensor> f = xs -> c.f.apply(xs.stream().map(view::view).toList());
    Tensor sample = Autograd.noGrad(() -> on(Backends.scalar(), f, leaves));
    Tensor weights = Samples.normal(99, sample.shape());
    double[] w = Samples.doubles(weights);
    List<double[]> numeric = new ArrayList<>();
    for (Tensor x : leaves) numeric.add(differences(f, leaves, x, w));
    for (Backend backend : Samples.backends()) {
      Backends.with(
          backend,
          () -> {
            try (Gradients found = f.apply(leaves).backward(weights)) {
              for (int i = 0; i < leaves.size(); i++) {
                String what = "%s, input %d on %s".formatted(c.name, i, backend.name());
                compare(what, numeric.get(i), found.get(leaves.get(i)));
              }
            }
            return null;
          });
    }
  }

  private static Tensor on(Backend backend, Function<List<Tensor>, Tensor> f, List<Tensor> inputs) {
    return Backends.with(backend, () -> f.apply(inputs));
  }

  private static double[] differences(
      Function<List<Tensor>, Tensor> f, List<Tensor> leaves, Tensor x, double[] w) {
    double largest = 0;
    for (double value : Samples.doubles(x)) {
      if (value != 77) largest = Math.max(largest, Math.abs(value));
    }
    double h = Float.intBitsToFloat(Float.floatToIntBits((float) (STEP * largest)) & 0xff800000);
    double[] slopes = new double[Math.toIntExact(x.size())];
    long at = x.strided().address();
    for (int i = 0; i < slopes.length; i++, at += 4) {
      float old = Host.getFloat(at);
      double[] y = new double[4];
      double[] dx = new double[4];
      for (int p = 0; p < 4; p++) {
        float moved = (float) (old + h * new int[] {-2, -1, 1, 2}[p]);
        dx[p] = moved - (double) old;
        Host.setFloat(at, moved);
        y[p] = weighted(f, leaves, w);
      }
      Host.setFloat(at, old);
      double near = (y[2] - y[1]) / (dx[2] - dx[1]);
      double far = (y[3] - y[0]) / (dx[3] - dx[0]);
      slopes[i] = (4 * near - far) / 3;
    }
    return slopes;
  }

  private static double weighted(
      Function<List<Tensor>, Tensor> f, List<Tensor> leaves, double[] w) {
    try (Scope _ = Scope.open()) {
      double[] y = Samples.doubles(Autograd.noGrad(() -> on(Backends.scalar(), f, leaves)));
      double sum = 0;
      for (int i = 0; i < y.length; i++) sum += w[i] * y[i];
      return sum;
    }
  }

  private static void compare(String what, double[] numeric, Tensor grad) {
    if (grad == null) throw new AssertionError(what + ": no gradient");
    double[] got = Samples.doubles(grad);
    double largest = 0;
    for (double g : numeric) largest = Math.max(largest, Math.abs(g));
    for (int i = 0; i < got.length; i++) {
      double error = Math.abs(got[i] - numeric[i]) / Math.max(largest, Float.MIN_NORMAL);
      if (!(error <= TOLERANCE)) {
        throw new AssertionError(
            "%s: gradient %d of %s is %s, finite differences give %s: error %.3g of the largest"
                .formatted(what, i, grad.layout(), got[i], numeric[i], error));
      }
    }
  }
}
