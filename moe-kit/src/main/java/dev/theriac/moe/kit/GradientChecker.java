package dev.theriac.moe.kit;

import dev.theriac.op.Autograd;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.List;
import java.util.function.DoubleSupplier;
import java.util.function.Function;

/**
 * Compares gradients with central differences: of functions of {@code double} arrays, to about ten
 * digits, or of functions of F32 tensors, to about three. Five points are used, whose error is of
 * fourth order in the step: f' = (8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / 12h.
 *
 * <p>A function must be smooth within two steps of where it is checked: a router whose choice of
 * experts changes there has no gradient to find.
 */
public final class GradientChecker {
  private static final double STEP_F64 = 0x1p-10;
  private static final double STEP_F32 = 0x1p-6;

  private GradientChecker() {}

  /**
   * Slopes of {@code f} in each element of {@code x}, which is moved in place and restored.
   *
   * @param f reads {@code x}
   */
  public static double[] differences(DoubleSupplier f, double[] x) {
    double[] slopes = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      double old = x[i];
      double h = STEP_F64 * Math.max(1, Math.abs(old));
      double[] y = new double[5];
      for (int p = -2; p <= 2; p++) {
        if (p == 0) continue;
        x[i] = old + p * h;
        y[p + 2] = f.getAsDouble();
      }
      x[i] = old;
      slopes[i] = (8 * (y[3] - y[1]) - (y[4] - y[0])) / (12 * h);
    }
    return slopes;
  }

  /** Compares {@code gradient} with the slopes of {@code f} in the elements of {@code x}. */
  public static Comparison compare(
      String what, DoubleSupplier f, double[] x, double[] gradient, Tolerance tolerance) {
    return tolerance.compare(what, differences(f, x), gradient, x.length);
  }

  /**
   * Checks the gradients that {@code f} passes back to each of its inputs, on the back end of this
   * thread, with a random gradient arriving at its output.
   *
   * @param f differentiable; called some five times for each element of the inputs
   * @param inputs F32, contiguous; moved in place and restored
   * @throws AssertionError naming the input and the worst element
   */
  public static void check(
      String what, Function<List<Tensor>, Tensor> f, List<Tensor> inputs, Tolerance tolerance) {
    for (Tensor x : inputs) {
      if (x.dtype() != DType.F32 || !x.layout().isContiguous()) {
        throw new IllegalArgumentException(
            "gradient check of %s: inputs must be F32 and contiguous, got %s %s"
                .formatted(what, x.dtype(), x.layout()));
      }
    }
    try (Scope _ = Scope.open()) {
      List<Tensor> leaves = inputs.stream().map(x -> x.detach().requireGrad(true)).toList();
      Tensor y = f.apply(leaves);
      Tensor g = Tensor.randn(new Rng(99), 1, y.shape());
      double[] weights = Values.of(g);
      try (Gradients found = y.backward(g)) {
        for (int i = 0; i < leaves.size(); i++) {
          Tensor x = leaves.get(i);
          Tensor got = found.get(x);
          String name = what + ", input " + i;
          if (got == null) throw new AssertionError(name + ": no gradient");
          double[] slopes = differences(f, leaves, x, weights);
          tolerance.compare(name, slopes, Values.of(got), slopes.length).check();
        }
      }
    }
  }

  private static double[] differences(
      Function<List<Tensor>, Tensor> f, List<Tensor> leaves, Tensor x, double[] weights) {
    double largest = 0;
    for (double v : Values.of(x)) largest = Math.max(largest, Math.abs(v));
    // A power of two, so that x + h is exact for most x and the difference known exactly.
    double h = Math.scalb(1, Math.getExponent(Math.max(STEP_F32 * largest, Float.MIN_NORMAL)));
    double[] slopes = new double[Math.toIntExact(x.size())];
    for (int i = 0; i < slopes.length; i++) {
      long at = x.strided().address() + 4L * i;
      float old = Host.getFloat(at);
      double[] y = new double[5];
      double[] moved = new double[5];
      for (int p = -2; p <= 2; p++) {
        if (p == 0) continue;
        Host.setFloat(at, (float) (old + p * h));
        moved[p + 2] = Host.getFloat(at);
        y[p + 2] = weighted(f, leaves, weights);
      }
      Host.setFloat(at, old);
      double near = (y[3] - y[1]) / (moved[3] - moved[1]);
      double far = (y[4] - y[0]) / (moved[4] - moved[0]);
      slopes[i] = (4 * near - far) / 3;
    }
    return slopes;
  }

  private static double weighted(
      Function<List<Tensor>, Tensor> f, List<Tensor> leaves, double[] weights) {
    try (Scope _ = Scope.open()) {
      double[] y = Values.of(Autograd.noGrad(() -> f.apply(leaves)));
      double sum = 0;
      for (int i = 0; i < y.length; i++) sum += weights[i] * y[i];
      return sum;
    }
  }
}
