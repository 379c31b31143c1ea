package dev.theriac.bench.gemm;

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
 * Time of one f32 matrix product. The result is checked against float64 sums before anything is
 * timed. {@code engine} may also be {@code libtorch} in a build with {@code -Plibtorch}.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 10, time = 1)
@Fork(
    value = 2,
    jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class GemmBenchmark {

  /** Which engine multiplies: "theriac" or "libtorch". */
  @Param("theriac")
  public String engine;

  /** Rows, columns and depth. */
  @Param("1024x1024x1024")
  public String shape;

  /** Threads of the engine, the caller included. */
  @Param({"1", "2"})
  public int threads;

  private GemmEngine gemm;

  /** Sets the operands up and compares the result. */
  @Setup(Level.Trial)
  public void setUp() {
    GemmProblem problem = GemmProblem.parse(shape);
    gemm = GemmEngine.of(engine, problem, threads);
    gemm.multiply();
    double error = problem.error(gemm.result());
    if (!(error < 1e-5)) {
      throw new IllegalStateException(gemm.name() + " is off by " + error + " of its terms");
    }
  }

  /** Frees the operands. */
  @TearDown(Level.Trial)
  public void tearDown() {
    gemm.close();
  }

  /** One product. */
  @Benchmark
  public void multiply() {
    gemm.multiply();
  }
}
