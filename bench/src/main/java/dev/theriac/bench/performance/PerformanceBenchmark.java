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
 * Results are compared with what they should be before anything is timed. {@code engine} may be
 * {@code libtorch} in a build with {@code -Plibtorch}.
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

  /** Sets the case up and compares its results. */
  @Setup(Level.Trial)
  public void setUp() {
    Family of = Families.of(family);
    running = Engines.of("performance", engine, family, threads);
    running.run(id);
    new Comparison(of).check(running::values, running.name(), of.of(id), engine.equals("theriac"));
  }

  /** Frees the data. */
  @TearDown(Level.Trial)
  public void tearDown() {
    running.close();
  }

  /** One call. */
  @Benchmark
  public void run() {
    running.run(id);
  }
}
