package dev.theriac.bench.gpu;

import dev.theriac.bench.dispatch.DispatchProblem;
import dev.theriac.bench.dispatch.MoeShape;
import dev.theriac.bench.frame.Bench;
import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.bench.frame.BenchReport;
import dev.theriac.bench.frame.Figures;
import dev.theriac.cuda.Cuda;
import dev.theriac.cuda.Precision;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * The kernels of the CUDA back end: checked, then timed by the device's events beside what its data
 * sheet allows. Without a device it says what is in the way, and the bounds.
 */
public final class GpuBench implements Bench {
  private static final String CHECKS = GpuChecks.TITLE;
  private static final String ATTENTION = "attention";
  private static final String GROUPED = "grouped";
  private static final String DISPATCH = GpuDispatch.TITLE;

  /** Whose bounds the table shows where no card is there. */
  private static final List<String> CARDS = List.of("A100-80", "RTX4090", "L40S", "H100", "H200");

  @Override
  public String name() {
    return "gpu";
  }

  @Override
  public String description() {
    return "kernels of the CUDA back end: checked, timed by events, beside bounds, cuBLAS, PyTorch";
  }

  @Override
  public List<String> shapes() {
    return List.of(CHECKS, ATTENTION, GROUPED, DISPATCH);
  }

  /** Whether a name is asked for: it holds one of the cases, or there are none. */
  static boolean wanted(BenchOptions options, String name) {
    return options.cases().isEmpty() || options.cases().stream().anyMatch(name::contains);
  }

  @Override
  public BenchReport run(BenchOptions options) {
    return run(options, Gpu.open());
  }

  /** On that device; null for none. */
  BenchReport run(BenchOptions options, Gpu gpu) {
    BenchReport report = new BenchReport(this, options);
    List<String> parts = chosen(options, shapes());
    Figures device = new Figures("device", "", List.of("what", "is"));
    report.add(device);
    TorchPeer torch = torch(gpu, parts, options);
    GpuLab lab = new GpuLab(gpu, report, options, torch);
    if (gpu != null && parts.contains(CHECKS)) GpuChecks.run(gpu, report, options);
    if (parts.contains(ATTENTION)) lab.run(ATTENTION, AttentionProblem.all());
    if (parts.contains(GROUPED)) lab.run(GROUPED, GroupedProblem.all());
    if (gpu != null && parts.contains(DISPATCH)) GpuDispatch.run(gpu, report, options);
    lab.describe();
    if (gpu == null || gpu.card() == null) report.add(bounds(parts, options));
    describe(gpu, torch, device);
    report.add(catalogue(gpu));
    return report;
  }

  private static TorchPeer torch(Gpu gpu, List<String> parts, BenchOptions options) {
    if (gpu == null || gpu.isEmulated()) return TorchPeer.none("not run: no card");
    if (options.python() == null || !options.rivals()) return TorchPeer.none("not asked for");
    options.note().accept("PyTorch");
    List<String> problems = new ArrayList<>();
    if (parts.contains(ATTENTION)) AttentionProblem.all().forEach(p -> problems.add(p.torch()));
    if (parts.contains(GROUPED)) GroupedProblem.all().forEach(p -> problems.add(p.torch()));
    return TorchPeer.run(
        options.python(), problems, GpuLab.rounds(options), GpuLab.seconds(options));
  }

  private static void describe(Gpu gpu, TorchPeer torch, Figures table) {
    if (gpu == null) {
      table.add("device", "none: nothing ran, nothing was timed");
      table.add("cause", Cuda.unavailabilityCause());
      return;
    }
    table.add("device", gpu.device().toString());
    gpu.backend(Precision.F32).choices().forEach(table::add);
    gpu.notes().forEach(note -> table.add("note", note));
    Card card = gpu.card();
    if (card != null) {
      table.add(
          "data sheet",
          "%s: %.1f TFLOP/s in F32, %.1f in TF32, %.1f in BF16, %.0f GB/s"
              .formatted(card.name(), card.f32(), card.tf32(), card.bf16(), card.gigabytes()));
    }
    table.add("PyTorch", torch.note());
  }

  /** Microseconds that cards take at least, by their data sheets. */
  private static Figures bounds(List<String> parts, BenchOptions options) {
    List<String> columns = new ArrayList<>(List.of("operation", "precision", "GFLOP", "MB"));
    CARDS.forEach(card -> columns.add(card + " us"));
    Figures table =
        new Figures(
            "bounds",
            "the least time by data sheets: each input read once, each output written once, dense"
                + " peaks",
            columns);
    List<LabProblem<?>> problems = new ArrayList<>();
    if (parts.contains(ATTENTION)) problems.addAll(AttentionProblem.all());
    if (parts.contains(GROUPED)) problems.addAll(GroupedProblem.all());
    for (LabProblem<?> problem : problems) {
      String name = (problem instanceof AttentionProblem ? ATTENTION : GROUPED) + "/";
      if (wanted(options, name + problem.id())) {
        bound(table, name + problem.id() + ": " + problem.text(), problem.demand(4));
      }
    }
    if (parts.contains(DISPATCH)) {
      for (String id : GpuDispatch.shapes()) {
        if (!wanted(options, DISPATCH + "/" + id)) continue;
        DispatchProblem problem = new DispatchProblem(MoeShape.of(id), "uniform");
        for (String stage : GpuLayer.STAGES) {
          Demand demand = GpuDispatch.demand(problem, stage);
          bound(table, DISPATCH + "/" + demand.text(), demand);
        }
      }
    }
    return table;
  }

  private static void bound(Figures table, String text, Demand demand) {
    for (String precision : List.of("f32", "tf32", "bf16")) {
      List<Object> cells = new ArrayList<>();
      cells.add(text);
      cells.add(precision);
      cells.add(demand.flops() / 1e9);
      cells.add(demand.bytes() / 1e6);
      CARDS.forEach(card -> cells.add(new Roofline(demand, Card.of(card), precision).micros()));
      table.add(cells.toArray());
    }
  }

  /** Lines for the catalogue of theriac-cuda: none from a device that is no card. */
  private static Figures catalogue(Gpu gpu) {
    boolean card = gpu != null && !gpu.isEmulated();
    Set<String> proven = gpu == null ? Set.of() : gpu.proven();
    String note =
        gpu == null
            ? "no kernel ran"
            : card
                ? "kernels that ran here with right results, and in no call with wrong ones"
                : "%d kernels ran with right results, but on no card: nothing to list"
                    .formatted(proven.size());
    Figures table = new Figures("catalogue", note, List.of("kernel", "card"));
    if (card) proven.forEach(kernel -> table.add(kernel, gpu.name()));
    return table;
  }
}
