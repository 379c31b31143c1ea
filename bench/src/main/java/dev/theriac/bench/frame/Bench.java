package dev.theriac.bench.frame;

import dev.theriac.bench.dispatch.DispatchBench;
import dev.theriac.bench.fullsize.FullSizeBench;
import dev.theriac.bench.gemm.GemmBench;
import dev.theriac.bench.gpu.GpuBench;
import dev.theriac.bench.kernels.ForkBench;
import dev.theriac.bench.kernels.KernelBench;
import dev.theriac.bench.performance.PerformanceBench;
import java.io.IOException;
import java.util.List;

/** A benchmark that can be called by its name. */
public interface Bench {
  /** As {@code theriac bench NAME} takes it. */
  String name();

  /** One line. */
  String description();

  /** The names that {@link BenchOptions#only} takes. */
  List<String> shapes();

  /**
   * Checks every engine's results against float64 sums, then times them.
   *
   * @return what was measured; where the benchmark can go on without what failed, or keep what it
   *     has, {@link BenchReport#failures} says what that is
   * @throws IllegalStateException when a result is wrong
   */
  BenchReport run(BenchOptions options) throws IOException;

  /** All there are. */
  static List<Bench> all() {
    return List.of(
        new DispatchBench(),
        new GemmBench(),
        new KernelBench(),
        new ForkBench(),
        new PerformanceBench(),
        new FullSizeBench(),
        new GpuBench());
  }

  /**
   * @throws IllegalArgumentException naming those that there are
   */
  static Bench of(String name) {
    for (Bench bench : all()) {
      if (bench.name().equals(name)) return bench;
    }
    throw new IllegalArgumentException(
        "no benchmark \"%s\"; there are %s"
            .formatted(name, String.join(", ", all().stream().map(Bench::name).toList())));
  }

  /** The shapes that were asked for, in this benchmark's order. */
  default List<String> chosen(BenchOptions options, List<String> usual) {
    for (String shape : options.only()) {
      if (!shapes().contains(shape)) {
        throw new IllegalArgumentException(
            "%s: no shape \"%s\"; there are %s".formatted(name(), shape, shapes()));
      }
    }
    if (!options.only().isEmpty()) return options.only();
    return options.full() ? shapes() : usual;
  }
}
