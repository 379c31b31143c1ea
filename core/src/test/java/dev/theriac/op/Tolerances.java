package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backend;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.DoubleStream;

/**
 * The one table of tolerances. An error is |actual - exact| / magnitude, where the magnitude is
 * that of the exact result or, for sums, the sum of the magnitudes of its terms: cancellation is a
 * property of the data and not of the code. Tolerances are those of F32 arithmetic; a result
 * rounded to a half type may be off by that type's unit roundoff more. {@code docs/PRECISION.md}
 * repeats the table and is held to it by {@code PrecisionTest}.
 */
final class Tolerances {
  /** Tolerated relative error of each operation in F32, in units of 2^-24. */
  static final Map<String, Double> F32 = new TreeMap<>();

  /** Highest error seen in this JVM, by "operation|dtype|back end", in units of 2^-24. */
  static final Map<String, Double> MEASURED = new ConcurrentHashMap<>();

  private static final double UNIT = 0x1p-24;

  static {
    exact("neg", "abs", "relu", "maximum", "minimum", "max", "min");
    within(1, "add", "sub", "mul", "div", "sqrt", "square", "reciprocal");
    within(2, "dropout");
    within(3, "rsqrt");
    within(4, "exp", "log", "sin", "cos", "tanh", "sigmoid");
    within(6, "silu", "gelu", "gelu_tanh", "quick_gelu", "swiglu");
    within(8, "unary gradient", "gelu_tanh gradient", "swiglu gradient");
    within(4, "sum", "mean");
    within(8, "matmul", "linear", "groupedLinear", "patch embedding", "quantisedLinear");
    within(8, "layerNorm", "rmsNorm");
    within(16, "layerNorm gradient", "rmsNorm gradient");
    within(8, "softmax", "logSoftmax", "softmax gradient", "logSoftmax gradient");
    within(8, "logSumExp");
    within(2, "selectedSoftmax");
    within(32, "feedForward");
    within(64, "feedForward gradient"); // sums over thousands of rows are one chain
    within(16, "attention");
    within(32, "attention gradient");
    within(4, "rope");
    within(8, "crossEntropy", "crossEntropy gradient");
    within(8, "adamW", "sgd");
  }

  static {
    // What this JVM measured, one of several unless -Dtest.forks=1; docs/PRECISION.md says more.
    Runtime.getRuntime().addShutdownHook(new Thread(Tolerances::report));
  }

  private Tolerances() {}

  /** Writes the table of {@code docs/PRECISION.md}, with what this run has measured. */
  private static void report() {
    Path target = Path.of("target");
    if (!Files.isDirectory(target)) return;
    try {
      Files.writeString(target.resolve("precision.md"), table());
    } catch (IOException e) {
      System.getLogger("dev.theriac.test").log(System.Logger.Level.WARNING, "no precision.md", e);
    }
  }

  /** One row for each operation. */
  static String table() {
    List<String> backends = Samples.backends().stream().map(Backend::name).toList();
    StringBuilder out = new StringBuilder("| Operation | F32 | BF16 | F16 |");
    backends.forEach(b -> out.append(" measured, %s |".formatted(b)));
    out.append("\n|---|---:|---:|---:|").append("---:|".repeat(backends.size())).append('\n');
    for (var row : F32.entrySet()) {
      out.append("| %s | %s |".formatted(row.getKey(), units(row.getValue())));
      for (DType half : List.of(DType.BF16, DType.F16)) {
        out.append(" %.3g |".formatted(of(row.getKey(), half)));
      }
      for (String b : backends) {
        Double worst = MEASURED.get(row.getKey() + "|" + DType.F32 + "|" + b);
        out.append(" %s |".formatted(worst == null ? "" : units(worst)));
      }
      out.append('\n');
    }
    return out.toString();
  }

  private static String units(double value) {
    return value == Math.rint(value) ? "%.0f".formatted(value) : "%.2f".formatted(value);
  }

  private static void exact(String... operations) {
    within(0, operations);
  }

  private static void within(double units, String... operations) {
    for (String operation : operations) F32.put(operation, units);
  }

  /** Unit roundoff: half the distance from 1 to the next number. */
  static double roundoff(DType dtype) {
    return switch (dtype) {
      case F32 -> UNIT;
      case BF16 -> 0x1p-8;
      case F16 -> 0x1p-11;
      default -> throw new IllegalArgumentException(dtype + " is exact");
    };
  }

  /** Tolerated relative error of {@code operation} with a result in {@code dtype}. */
  static double of(String operation, DType dtype) {
    Double units = F32.get(operation);
    if (units == null) throw new IllegalArgumentException("no tolerance for " + operation);
    return units * UNIT + (dtype == DType.F32 ? 0 : roundoff(dtype));
  }

  /** Compares with exact values, relative to their own magnitudes. */
  static void check(String operation, String backend, double[] exact, Tensor actual) {
    check(operation, backend, exact, exact, actual);
  }

  /** Compares relative to the given magnitudes. */
  static void check(
      String operation, String backend, double[] exact, double[] magnitudes, Tensor actual) {
    double[] got = Samples.doubles(actual);
    assertThat(got).as("%s on %s: size", operation, backend).hasSameSizeAs(exact);
    double worst = 0;
    int at = -1;
    for (int i = 0; i < got.length; i++) {
      double error = error(exact[i], magnitudes[i], got[i], actual.dtype());
      if (error > worst) {
        worst = error;
        at = i;
      }
    }
    MEASURED.merge(operation + "|" + actual.dtype() + "|" + backend, worst / UNIT, Math::max);
    double tolerance = of(operation, actual.dtype());
    if (worst > tolerance) {
      throw new AssertionError(
          "%s of %s on %s: element %d is %s, exactly %s: relative error %.3g (%.1f units), %.3g is tolerated"
              .formatted(
                  operation,
                  actual.strided(),
                  backend,
                  at,
                  got[at],
                  exact[at],
                  worst,
                  worst / UNIT,
                  tolerance));
    }
  }

  private static double error(double exact, double magnitude, double got, DType dtype) {
    if (Double.isNaN(exact) || Double.isNaN(got)) {
      return Double.isNaN(exact) && Double.isNaN(got) ? 0 : Double.POSITIVE_INFINITY;
    }
    double largest = dtype == DType.F16 ? 65504 : Float.MAX_VALUE;
    if (Math.abs(exact) > largest * (1 + roundoff(dtype))) {
      return got == Math.copySign(Double.POSITIVE_INFINITY, exact) ? 0 : Double.POSITIVE_INFINITY;
    }
    // Below the smallest normal number the distance of neighbours no longer shrinks.
    double floor = dtype == DType.F16 ? 0x1p-14 : Float.MIN_NORMAL;
    return Math.abs(got - exact) / Math.max(Math.abs(magnitude), floor);
  }

  /** The same magnitude for every element: the largest. */
  static double[] largest(double[] values) {
    double max = DoubleStream.of(values).map(Math::abs).max().orElse(0);
    return DoubleStream.generate(() -> max).limit(values.length).toArray();
  }
}
