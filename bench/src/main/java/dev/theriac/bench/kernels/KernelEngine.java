package dev.theriac.bench.kernels;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.Workers;
import dev.theriac.bench.frame.Engine;
import dev.theriac.tensor.Host;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The kernels of {@link KernelCall} on one back end. */
public final class KernelEngine implements Engine {
  static final Set<String> KERNELS =
      new LinkedHashSet<>(
          List.of(
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
              "attention-gradient"));

  private final Backend backend;
  private final int rows;
  private final int columns;
  private final Map<String, KernelCall> calls = new HashMap<>();

  /**
   * @param name "vector" or "scalar"
   * @param shape rows x columns
   */
  public KernelEngine(String name, String shape, int threads) {
    Workers.setThreads(threads);
    backend = name.equals("scalar") ? Backends.scalar() : Backends.cpu().backend();
    if (!backend.name().startsWith(name)) {
      throw new IllegalStateException(
          "the back end is " + backend.name() + ": " + Backends.cpu().reason());
    }
    String[] sizes = shape.split("x");
    rows = Integer.parseInt(sizes[0]);
    columns = Integer.parseInt(sizes[1]);
  }

  @Override
  public String name() {
    return "theriac " + backend.name();
  }

  @Override
  public Set<String> stages() {
    return KERNELS;
  }

  private KernelCall call(String kernel) {
    return calls.computeIfAbsent(kernel, k -> KernelCall.of(backend, k, rows, columns));
  }

  @Override
  public void run(String stage) {
    call(stage).run().run();
  }

  /** The result of the kernel of that name. */
  @Override
  public double[] values(String tensor, long[] indices) {
    long at = call(tensor).result().address();
    double[] values = new double[indices.length];
    for (int i = 0; i < values.length; i++) values[i] = Host.getFloat(at + 4 * indices[i]);
    return values;
  }

  @Override
  public void close() {
    calls.clear();
  }
}
