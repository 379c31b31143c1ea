package dev.theriac.bench.gpu;

import dev.theriac.bench.dispatch.DispatchProblem;
import dev.theriac.bench.dispatch.MoeShape;
import dev.theriac.cuda.Cuda;
import dev.theriac.cuda.device.CudaDevice;
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
 * Time of a mixture-of-experts layer on a GPU, from the call until the device is done. Output and
 * gradients are compared with float64 sums before anything is timed. Without a device {@link
 * dev.theriac.bench.Main} says so and starts nothing.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 10, time = 1)
@Fork(
    value = 2,
    jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class GpuDispatchBenchmark {
  /** See {@link MoeShape}. */
  @Param({"S", "M", "stablelm"})
  public String shape;

  /** See {@link DispatchProblem}. */
  @Param("uniform")
  public String routing;

  /** See {@link GpuLayer#STAGES}. */
  @Param({"forward", "forward+backward"})
  public String stage;

  private CudaDevice device;
  private GpuLayer layer;

  /** Why nothing can be timed here; empty where there is a card. */
  public static String obstacle() {
    if (!Cuda.isAvailable()) return "no device: " + Cuda.unavailabilityCause();
    return Gpu.open().isEmulated() ? "emulated: not timed" : "";
  }

  /** Sets the layer up and compares its results. */
  @Setup(Level.Trial)
  public void setUp() {
    String obstacle = obstacle();
    if (!obstacle.isEmpty()) throw new IllegalStateException(obstacle);
    device = CudaDevice.open(0);
    layer = new GpuLayer(new DispatchProblem(MoeShape.of(shape), routing), device.device());
    layer.run(stage);
    double error = layer.error(stage);
    if (!(error < GpuDispatch.tolerance(GpuDispatch.precision()))) {
      throw new IllegalStateException("%s of %s is off by %.2g".formatted(stage, shape, error));
    }
  }

  /** Frees the data. */
  @TearDown(Level.Trial)
  public void tearDown() {
    if (layer != null) layer.close();
  }

  /** One call, until the device is done. */
  @Benchmark
  public void run() {
    layer.run(stage);
    device.synchronize();
  }
}
