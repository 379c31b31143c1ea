package dev.theriac.bench.kernels;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.Workers;
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
import org.openjdk.jmh.annotations.Warmup;

/**
 * Time of one kernel other than the matrix products, vector against scalar code. Each kernel has
 * JVMs of its own. The result is compared with the scalar one before anything is timed.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
    value = 1,
    jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class KernelBenchmark {
  /** Which back end: "vector" or "scalar". */
  @Param({"vector", "scalar"})
  public String backend;

  /** Which kernel, see {@link KernelCall}. */
  @Param({
    "add-bias",
    "gelu",
    "gelu-gradient",
    "swiglu",
    "softmax",
    "layer-norm",
    "layer-norm-gradient",
    "cross-entropy",
    "adamw",
    "attention",
    "attention-gradient"
  })
  public String kernel;

  /** Rows and columns. */
  @Param("2048x128")
  public String shape;

  /** Threads, the caller included. */
  @Param("1")
  public int threads;

  private KernelCall call;

  /** Sets the operands up and compares the result. */
  @Setup(Level.Trial)
  public void setUp() {
    Workers.setThreads(threads);
    String[] sizes = shape.split("x");
    int rows = Integer.parseInt(sizes[0]);
    int columns = Integer.parseInt(sizes[1]);
    Backend chosen = backend.equals("scalar") ? Backends.scalar() : Backends.cpu().backend();
    if (!chosen.name().startsWith(backend)) {
      throw new IllegalStateException(
          "the back end is " + chosen.name() + ": " + Backends.cpu().reason());
    }
    call = KernelCall.of(chosen, kernel, rows, columns);
    call.run().run();
    KernelCall reference = KernelCall.of(Backends.scalar(), kernel, rows, columns);
    reference.run().run();
    double off = call.difference(reference);
    if (!(off < 1e-5)) {
      throw new IllegalStateException(kernel + " is off by " + off + " of its largest value");
    }
  }

  /** One call. */
  @Benchmark
  public void run() {
    call.run().run();
  }
}
