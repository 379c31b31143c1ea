package dev.theriac.bench.gpu;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.check.KernelCheck;
import dev.theriac.backend.check.StagedBackend;
import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.bench.frame.BenchReport;
import dev.theriac.bench.frame.Figures;
import dev.theriac.cuda.Precision;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Every check of a kernel on the device, beside the scalar back end. */
final class GpuChecks {
  static final String TITLE = "checks";

  /** Families whose products depend on the precision. */
  private static final Set<String> PRODUCTS = Set.of("matmul", "grouped", "experts", "attention");

  private final Gpu gpu;
  private final Figures table =
      new Figures(
          TITLE,
          "largest difference from the scalar back end, relative to the largest magnitude of the"
              + " result",
          List.of("family", "precision", "checks", "right", "no kernel", "worst", "of", "at most"));

  private GpuChecks(Gpu gpu) {
    this.gpu = gpu;
  }

  /** What came of a family. */
  private static final class Tally {
    private int checks;
    private int right;
    private int missing;
    private double worst;
    private String name = "";
  }

  static void run(Gpu gpu, BenchReport report, BenchOptions options) {
    GpuChecks checks = new GpuChecks(gpu);
    for (Precision precision : Precision.values()) {
      options.note().accept("checks of kernels, products in " + precision);
      checks.run(precision, report, options);
    }
    report.add(checks.table);
  }

  private void run(Precision precision, BenchReport report, BenchOptions options) {
    Backend backend = StagedBackend.of(gpu.backend(precision));
    Map<String, Tally> tallies = new LinkedHashMap<>();
    for (KernelCheck check : KernelCheck.all()) {
      String family = check.kernel().split("\\.")[0];
      if (precision != Precision.F32 && !PRODUCTS.contains(family)) continue;
      if (!GpuBench.wanted(options, check.name())) continue;
      run(check, backend, precision, tallies.computeIfAbsent(family, _ -> new Tally()), report);
    }
    tallies.forEach((family, t) -> {
      boolean some = t.checks > t.missing;
      table.add(
          family,
          precision.toString(),
          t.checks,
          t.right,
          t.missing,
          some ? (Double) t.worst : null,
          t.name,
          tolerance(precision));
    });
  }

  private void run(
      KernelCheck check, Backend backend, Precision precision, Tally tally, BenchReport report) {
    tally.checks++;
    double[] apart = {Double.NaN};
    try {
      boolean right =
          gpu.witness(() -> {
            apart[0] = check.apart(backend, Backends.scalar());
            return apart[0] <= tolerance(precision);
          });
      if (right) tally.right++;
      else report.fail(what(check, precision) + ": off by %.2g".formatted(apart[0]));
      if (!(apart[0] < tally.worst) || tally.name.isEmpty()) {
        tally.worst = apart[0];
        tally.name = check.name();
      }
    } catch (UnsupportedOperationException e) {
      tally.missing++;
    } catch (RuntimeException e) {
      report.fail(what(check, precision) + ": " + e.getMessage());
    }
  }

  private static String what(KernelCheck check, Precision precision) {
    return "check of %s in %s".formatted(check.name(), precision);
  }

  /** Relative to the largest magnitude of a result. */
  static double tolerance(Precision precision) {
    return switch (precision) {
      case F32 -> KernelCheck.TOLERANCE;
      case TF32 -> 5e-3;
      case BF16 -> 4e-2;
    };
  }
}
