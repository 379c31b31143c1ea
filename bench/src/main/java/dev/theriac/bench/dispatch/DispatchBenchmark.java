package dev.theriac.bench.dispatch;

import dev.theriac.bench.frame.Engine;
import dev.theriac.bench.frame.Engines;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Time of one stage of a mixture-of-experts layer, or of the whole. Output and gradients are
 * compared with float64 sums before anything is timed. {@code engine} may also be {@code libtorch}
 * or {@code libtorch-bf16} in a build with {@code -Plibtorch}, for the stages that it has.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 10, time = 1)
@Fork(
    value = 2,
    jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class DispatchBenchmark {
  /** Which engine: "theriac", "libtorch" or "libtorch-bf16". */
  @Param("theriac")
  public String engine;

  /** See {@link MoeShape}. */
  @Param({"S", "M"})
  public String shape;

  /** See {@link DispatchProblem}. */
  @Param("uniform")
  public String routing;

  /** What is timed; "forward", "forward+backward" and "step" are the whole layer. */
  @Param({
    "router",
    "top-k",
    "index",
    "gather",
    "gemm1+activation",
    "gemm1",
    "activation",
    "gemm2",
    "combine",
    "forward",
    "backward-dX",
    "backward-dW",
    "backward-router",
    "forward+backward",
    "step",
    "dense",
    "loop",
    "copy-rows"
  })
  public String stage;

  /** Threads of the engine, the caller included. */
  @Param({"1", "2"})
  public int threads;

  private Engine layer;

  /** Sets the layer up and compares its results. */
  @Setup(Level.Trial)
  public void setUp() {
    DispatchProblem problem = new DispatchProblem(MoeShape.of(shape), routing);
    layer = Engines.of("dispatch", engine, problem.text(), threads);
    layer.run("forward+backward");
    double error = new DispatchOracle(problem).error(layer::values, true);
    if (!(error < DispatchBench.tolerance(layer.name()))) {
      throw new IllegalStateException(layer.name() + " is off by " + error);
    }
  }

  /** Frees the data. */
  @TearDown(Level.Trial)
  public void tearDown() {
    layer.close();
  }

  /** One call. */
  @Benchmark
  public void run() {
    layer.run(stage);
  }
}
