package dev.theriac.bench.gpu;

import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.bench.frame.BenchReport;
import dev.theriac.bench.frame.Figures;
import dev.theriac.bench.frame.Stats;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Versions of a kernel beside each other: right first, then timed where there is a card. */
final class GpuLab {
  private static final int ROUNDS = 9;
  private static final double SECONDS = 0.05;
  private static final String OURS = "ours";
  private static final String CUBLAS = "cuBLAS";

  private final Gpu gpu;
  private final BenchReport report;
  private final BenchOptions options;
  private final TorchPeer torch;
  private final Map<String, String> ideas = new LinkedHashMap<>();

  /**
   * @param gpu null where there is no device
   * @param torch times of PyTorch, perhaps none
   */
  GpuLab(Gpu gpu, BenchReport report, BenchOptions options, TorchPeer torch) {
    this.gpu = gpu;
    this.report = report;
    this.options = options;
    this.torch = torch;
  }

  /** Runs the versions of these problems. */
  <A extends LabProblem.Arrays> void run(String operation, List<? extends LabProblem<A>> problems) {
    Figures table =
        new Figures(
            operation,
            note(),
            List.of(
                "shape",
                "version",
                "error",
                "at most",
                "us",
                "TFLOP/s",
                "GB/s",
                "of bound",
                "bound",
                "cuBLAS us",
                "to cuBLAS",
                "PyTorch us",
                "to PyTorch",
                "state"));
    for (LabProblem<A> problem : problems) {
      LabProblem<A> taken = gpu != null && gpu.isEmulated() ? problem.small() : problem;
      report.shape(taken.id(), taken.id() + ": " + taken.text());
      for (LabVersion<A> version : taken.versions()) {
        String name = operation + "/" + taken.id() + "/" + version.name();
        if (!GpuBench.wanted(options, name)) continue;
        ideas.putIfAbsent(operation + " " + version.name(), version.idea());
        options.note().accept(name);
        new Entry<>(table, taken, version).run(name);
      }
    }
    report.add(table);
  }

  private String note() {
    if (gpu == null) return "no device: nothing ran; the bounds table says what cards allow";
    String where = gpu.isEmulated() ? "emulated: not timed, and of small shapes; " : "";
    return where
        + "error: largest difference of samples from sums in float64, relative to the magnitudes of"
        + " their terms; ratios: the other's time over ours";
  }

  /** The sentences on the versions that ran. */
  void describe() {
    if (ideas.isEmpty()) return;
    Figures table = new Figures("versions", "", List.of("version", "idea"));
    ideas.forEach(table::add);
    report.add(table);
  }

  /** A line of the table. */
  private final class Entry<A extends LabProblem.Arrays> {
    private final Figures table;
    private final LabProblem<A> problem;
    private final LabVersion<A> version;
    private final double tolerance;

    private Entry(Figures table, LabProblem<A> problem, LabVersion<A> version) {
      this.table = table;
      this.problem = problem;
      this.version = version;
      tolerance = LabProblem.tolerance(version.precision());
    }

    private void run(String name) {
      if (gpu == null) {
        state(Double.NaN, "no device: did not run");
        return;
      }
      double[] error = {Double.NaN};
      try (A arrays = problem.arrays(gpu, version.halfWeights())) {
        arrays.clear();
        boolean right =
            gpu.witness(() -> {
              version.call().accept(gpu, arrays);
              error[0] = arrays.error();
              return error[0] <= tolerance;
            });
        if (!right) {
          report.fail("%s: off by %.2g".formatted(name, error[0]));
          state(error[0], "WRONG: not timed");
        } else if (gpu.isEmulated()) {
          cublasIsRight(name, arrays);
          state(error[0], "right; emulated: not timed");
        } else {
          time(name, arrays, error[0]);
        }
      } catch (UnsupportedOperationException e) {
        state(Double.NaN, "no kernel in this version");
      } catch (RuntimeException e) {
        report.fail(name + ": " + e.getMessage());
        state(error[0], "FAILED");
      }
    }

    private LabVersion<A> rival() {
      LabVersion<A> cublas = problem.cublas(version.precision());
      if (cublas == null || version.halfWeights() || !options.rivals()) return null;
      return gpu.cublas().available() ? cublas : null;
    }

    /** What is compared must have computed the same. */
    private boolean cublasIsRight(String name, A arrays) {
      LabVersion<A> cublas = rival();
      if (cublas == null) return false;
      arrays.clear();
      cublas.call().accept(gpu, arrays);
      double error = arrays.error();
      if (error <= tolerance) return true;
      report.fail("%s: cuBLAS beside it is off by %.2g".formatted(name, error));
      return false;
    }

    private void time(String name, A arrays, double error) {
      Map<String, Runnable> calls = new TreeMap<>();
      calls.put(OURS, () -> version.call().accept(gpu, arrays));
      if (cublasIsRight(name, arrays)) {
        calls.put(CUBLAS, () -> rival().call().accept(gpu, arrays));
      }
      Map<String, double[]> times = gpu.time(calls, rounds(options), seconds(options));
      double us = Stats.median(times.get(OURS));
      double[] others = times.get(CUBLAS);
      Demand demand = problem.demand(version.weightBytes());
      Card card = gpu.card();
      Roofline roof = card == null ? null : new Roofline(demand, card, version.rate());
      Double peer = torch.micros(problem.torch(), version.rate());
      table.add(
          problem.id(),
          version.name(),
          error,
          tolerance,
          us,
          demand.flops() / us / 1e6,
          demand.bytes() / us / 1e3,
          roof == null ? null : (Double) (roof.micros() / us),
          roof == null ? null : roof.bound(),
          others == null ? null : (Double) Stats.median(others),
          others == null ? null : (Double) Stats.median(Stats.ratios(others, times.get(OURS))),
          peer,
          peer == null ? null : (Double) (peer / us),
          "right");
    }

    private void state(double error, String state) {
      Object[] cells = new Object[table.columns().size()];
      cells[0] = problem.id();
      cells[1] = version.name();
      cells[2] = error;
      cells[3] = tolerance;
      cells[cells.length - 1] = state;
      table.add(cells);
    }
  }

  static int rounds(BenchOptions options) {
    if (options.rounds() > 0) return options.rounds();
    return options.full() ? 3 * ROUNDS : ROUNDS;
  }

  static double seconds(BenchOptions options) {
    return options.seconds() > 0 ? options.seconds() : SECONDS;
  }
}
