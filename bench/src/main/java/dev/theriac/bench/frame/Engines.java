package dev.theriac.bench.frame;

import dev.theriac.bench.dispatch.DispatchProblem;
import dev.theriac.bench.dispatch.TheriacDispatch;
import dev.theriac.bench.gemm.GemmEngine;
import dev.theriac.bench.gemm.GemmProblem;
import dev.theriac.bench.gemm.GemmStage;
import dev.theriac.bench.kernels.ForkEngine;
import dev.theriac.bench.kernels.KernelEngine;
import dev.theriac.bench.performance.Families;
import dev.theriac.bench.performance.Family;
import dev.theriac.bench.performance.PerformanceEngine;
import java.lang.reflect.InvocationTargetException;

/** Makes engines from words. */
public final class Engines {
  private Engines() {}

  /**
   * @param bench "dispatch", "gemm", "kernels", "forks" or "performance"
   * @param engine "theriac", "libtorch", "libtorch-bf16"; for kernels "vector" or "scalar"; for
   *     performance also what a family names
   * @param problem as the benchmark's problem reads it
   * @throws IllegalStateException when libtorch is not on the class path or does not start
   */
  public static Engine of(String bench, String engine, String problem, int threads) {
    return switch (bench) {
      case "dispatch" -> {
        DispatchProblem p = DispatchProblem.parse(problem);
        yield engine.equals("theriac")
            ? new TheriacDispatch(p, threads)
            : libtorch(
                "dev.theriac.bench.dispatch.LibtorchDispatch",
                new Class<?>[] {DispatchProblem.class, int.class, boolean.class},
                p,
                threads,
                engine.endsWith("-bf16"));
      }
      case "gemm" -> new GemmStage(GemmEngine.of(engine, GemmProblem.parse(problem), threads));
      case "performance" -> {
        Family family = Families.of(problem);
        yield switch (engine) {
          case "theriac" -> new PerformanceEngine(family, threads);
          case "libtorch" ->
              libtorch(
                  "dev.theriac.bench.performance.LibtorchFamily",
                  new Class<?>[] {Family.class, int.class},
                  family,
                  threads);
          default -> family.rival(engine, threads);
        };
      }
      case "forks" -> new ForkEngine(threads);
      case "kernels" -> new KernelEngine(engine, problem, threads);
      default -> throw new IllegalArgumentException("no benchmark " + bench);
    };
  }

  /** By name: the class is there only where DJL's PyTorch engine is. */
  private static Engine libtorch(String name, Class<?>[] types, Object... arguments) {
    try {
      return (Engine) Class.forName(name).getConstructor(types).newInstance(arguments);
    } catch (InvocationTargetException e) {
      throw new IllegalStateException("libtorch does not start: " + e.getCause(), e.getCause());
    } catch (ReflectiveOperationException | NoClassDefFoundError e) {
      throw new IllegalStateException("libtorch is not on the class path", e);
    }
  }
}
