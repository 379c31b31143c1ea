package dev.theriac.bench.performance;

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
 * One case of {@code bench performance} under JMH, each fork with that case alone in its profile.
 * Results are compared with what they should be before anything is timed and again at the end, when
 * kernels that others stood in for have long been compiled. {@code engine} may be {@code libtorch}
 * in a build with {@code -Plibtorch}.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 10, time = 1)
@Fork(
    value = 2,
    jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class PerformanceBenchmark {
  /** See {@link Families}. */
  @Param("gemm")
  public String family;

  /** See {@link Case#id}. */
  @Param("NT/1024x1024x1024")
  public String id;

  /** "theriac", "libtorch", or another rival of the family. */
  @Param("theriac")
  public String engine;

  /** Threads of the engine, the caller included. */
  @Param({"1", "2"})
  public int threads;

  private Engine running;
  private Comparison comparison;

  /** Sets the case up and compares its results. */
  @Setup(Level.Trial)
  public void setUp() {
    running = Engines.of("performance", engine, family, threads);
    comparison = new Comparison(Families.of(family));
    check();
  }

  /** Compares the results once more and frees the data. */
  @TearDown(Level.Trial)
  public void tearDown() {
    Family of = Families.of(family);
    if (of.changesInputs(of.of(id))) running.restart();
    check();
    running.close();
  }

  private void check() {
    running.run(id);
    Case c = Families.of(family).of(id);
    comparison.check(running::values, running.name(), c, engine.equals("theriac"));
  }

  /** One call. */
  @Benchmark
  public void run() {
    running.run(id);
  }
}
