package dev.theriac.bench.gpu;

import dev.theriac.bench.dispatch.DispatchProblem;
import dev.theriac.bench.dispatch.MoeShape;
import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.bench.frame.BenchReport;
import dev.theriac.bench.frame.Figures;
import dev.theriac.bench.frame.Stats;
import dev.theriac.bench.frame.Work;
import dev.theriac.cuda.Precision;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The whole mixture-of-experts layer on the device, forward and backward. */
final class GpuDispatch {
  static final String TITLE = "dispatch";
  private static final List<String> SHAPES = List.of("S", "M", "L", "stablelm", "phi2");
  private static final String ROUTING = "uniform";

  private GpuDispatch() {}

  static List<String> shapes() {
    return SHAPES;
  }

  /** The precision that tensors on the device are multiplied in. */
  static Precision precision() {
    String set = System.getProperty("theriac.cuda.precision", "f32").strip();
    return set.isEmpty() ? Precision.F32 : Precision.valueOf(set.toUpperCase(Locale.ROOT));
  }

  /** How far a layer may be off; it has three products after each other. */
  static double tolerance(Precision precision) {
    return switch (precision) {
      case F32 -> 1e-4;
      case TF32 -> 1e-2;
      case BF16 -> 5e-2;
    };
  }

  static Demand demand(DispatchProblem problem, String stage) {
    MoeShape shape = problem.shape();
    Work work =
        stage.equals("forward")
            ? shape.forward(problem.used())
            : shape.forwardBackward(problem.used());
    return new Demand(stage + " " + shape.text(), work.flops(), work.bytes(), true);
  }

  static void run(Gpu gpu, BenchReport report, BenchOptions options) {
    Figures table =
        new Figures(
            TITLE,
            "a layer of experts from given choices, products in %s (theriac.cuda.precision); %s"
                .formatted(
                    precision(), gpu.isEmulated() ? "emulated: not timed" : "routing " + ROUTING),
            List.of(
                "shape",
                "stage",
                "error",
                "at most",
                "us",
                "TFLOP/s",
                "GB/s",
                "of bound",
                "bound",
                "state"));
    for (String id : gpu.isEmulated() ? List.of("tiny") : SHAPES) {
      if (!GpuBench.wanted(options, TITLE + "/" + id)) continue;
      options.note().accept(TITLE + "/" + id);
      DispatchProblem problem = new DispatchProblem(MoeShape.of(id), ROUTING);
      report.shape(id, problem.shape().text());
      try (GpuLayer layer = new GpuLayer(problem, gpu.device().device())) {
        for (String stage : GpuLayer.STAGES) {
          row(gpu, layer, problem, stage, table, report, options);
        }
      } catch (RuntimeException e) {
        report.fail("dispatch/%s: %s".formatted(id, e.getMessage()));
      }
    }
    report.add(table);
  }

  private static void row(
      Gpu gpu,
      GpuLayer layer,
      DispatchProblem problem,
      String stage,
      Figures table,
      BenchReport report,
      BenchOptions options) {
    String id = problem.shape().id();
    double tolerance = tolerance(precision());
    double[] error = {Double.NaN};
    try {
      boolean right =
          gpu.witness(() -> {
            layer.run(stage);
            error[0] = layer.error(stage);
            return error[0] <= tolerance;
          });
      if (!right || gpu.isEmulated()) {
        if (!right) report.fail("dispatch/%s, %s: off by %.2g".formatted(id, stage, error[0]));
        String state = right ? "right; emulated: not timed" : "WRONG: not timed";
        table.add(id, stage, error[0], tolerance, null, null, null, null, null, state);
        return;
      }
      Runnable call = () -> layer.run(stage);
      Map<String, double[]> times =
          gpu.time(Map.of(stage, call), GpuLab.rounds(options), GpuLab.seconds(options));
      double us = Stats.median(times.get(stage));
      Demand demand = demand(problem, stage);
      String rate = precision().name().toLowerCase(Locale.ROOT);
      Roofline roof = gpu.card() == null ? null : new Roofline(demand, gpu.card(), rate);
      table.add(
          id,
          stage,
          error[0],
          tolerance,
          us,
          demand.flops() / us / 1e6,
          demand.bytes() / us / 1e3,
          roof == null ? null : (Double) (roof.micros() / us),
          roof == null ? null : roof.bound(),
          "right");
    } catch (UnsupportedOperationException e) {
      String state = "no kernel in this version: " + e.getMessage().split(" has no")[0];
      table.add(id, stage, null, tolerance, null, null, null, null, null, state);
    }
  }
}
