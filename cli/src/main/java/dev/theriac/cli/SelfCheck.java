package dev.theriac.cli;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.op.Autograd;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;

/** Compares the CPU back end in use with plain scalar loops on a few small operations. */
final class SelfCheck {
  /** Far above the rounding of sums of a hundred terms, far below any real mistake. */
  private static final double TOLERANCE = 1e-4;

  private SelfCheck() {}

  /** One line: how far the two lie apart, or which operation differs. */
  static String run() {
    Backend cpu = Backends.cpu().backend();
    if (cpu == Backends.scalar()) {
      return "nothing to compare: the scalar code itself is in use";
    }
    return compare(cpu, Backends.scalar());
  }

  static String compare(Backend checked, Backend oracle) {
    double worst = 0;
    try (Scope _ = Scope.open()) {
      Tensor a = Tensor.randn(new Rng(1), 1, 65, 129);
      Tensor b = Tensor.randn(new Rng(2), 1, 129, 33);
      Map<String, Supplier<Tensor>> operations = new LinkedHashMap<>();
      operations.put("matmul", () -> a.matmul(b));
      operations.put("softmax", a::softmax);
      operations.put("gelu", a::gelu);
      operations.put("sum", () -> a.sum(1, true));
      operations.put("add", () -> a.add(a));
      for (var operation : operations.entrySet()) {
        double apart =
            apart(values(checked, operation.getValue()), values(oracle, operation.getValue()));
        if (!(apart <= TOLERANCE)) {
          return String.format(
              Locale.ROOT,
              "FAILED: %s of %s differs from %s by %.1e of its size; please report this machine",
              operation.getKey(),
              checked.name(),
              oracle.name(),
              apart);
        }
        worst = Math.max(worst, apart);
      }
      return String.format(
          Locale.ROOT,
          "%d operations agree with scalar code to %.0e of their size",
          operations.size(),
          worst);
    }
  }

  private static float[] values(Backend backend, Supplier<Tensor> operation) {
    return Backends.with(backend, () -> Autograd.noGrad(operation).toFloats());
  }

  /** Largest difference over the largest magnitude. */
  static double apart(float[] have, float[] wanted) {
    double difference = 0;
    double size = 0;
    for (int i = 0; i < wanted.length; i++) {
      difference = Math.max(difference, Math.abs((double) have[i] - wanted[i]));
      size = Math.max(size, Math.abs(wanted[i]));
      if (Float.isNaN(have[i])) return Double.NaN;
    }
    return difference / size;
  }
}
