package dev.theriac.bench.performance;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.QuantisedKernels.Weights;
import dev.theriac.bench.frame.Engine;
import dev.theriac.bench.frame.Finding;
import dev.theriac.bench.frame.PeerProcess;
import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Strided;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Products of few rows with weights of 8 and 4 bits, beside ggml's with its formats of as many bits
 * (q8_0, q4_0). Copies of the weights are taken in turn, so that they come from memory.
 */
final class QuantisedFamily implements Family {
  /** More than any cache holds. */
  private static final long ROTATED = 160L << 20;

  private static final long PATIENCE = 20_000_000_000L;

  @Override
  public String name() {
    return "quantised";
  }

  @Override
  public List<Case> cases() {
    return List.of(
        linear("int8", 1, 5632, 2048).wanted(2, null, 0.88),
        linear("int4", 1, 5632, 2048).wanted(2, null, 0.60),
        linear("int8", 4, 5632, 2048),
        linear("int4", 4, 5632, 2048));
  }

  /** y [m, n] = x [m, k] times w [n, k] transposed; ggml rounds x to 8 bits too. */
  private static Case linear(String format, long m, long n, long k) {
    return Case.of(format, m + "x" + n + "x" + k)
        .work(2.0 * m * n * k, format(format).bytes(n, k) + 4.0 * m * (k + n), Floor.READ)
        .input(Input.f32("x", m, k), Input.f32("w", n, k).scaled(0.05), Input.space("y", m, n))
        .result("y", m, n)
        .tolerance(1e-5, format.equals("int8") ? 0.02 : 0.2);
  }

  private static QuantisedFormat format(String operation) {
    return operation.equals("int8") ? QuantisedFormat.INT8 : QuantisedFormat.INT4;
  }

  /** How many copies of that many bytes are taken in turn. */
  static int copies(long bytes) {
    return (int) (ROTATED / bytes) + 1;
  }

  @Override
  public Call ours(Case c, Inputs inputs, Backend backend) {
    QuantisedFormat format = format(c.operation());
    long[] shape = c.input("w").shape();
    long bytes = format.bytes(shape[0], shape[1]);
    List<Weights> all = new ArrayList<>();
    for (int i = 0; i < copies(bytes); i++) {
      Strided memory =
          new Strided(CpuStorage.allocate(bytes, "bench"), DType.U8, Layout.contiguous(bytes));
      Weights w = new Weights(memory, format, shape[0], shape[1]);
      if (i == 0) backend.quantised().quantise(inputs.strided("w"), w);
      else copy(all.getFirst().address(), w.address(), bytes);
      all.add(w);
    }
    Strided x = inputs.strided("x");
    Strided y = inputs.strided("y");
    if (backend != Backends.scalar())
      awaitCompiled(() -> linear(backend, x, all.getFirst(), y), bytes);
    return new Call() {
      private int next;

      @Override
      public void run() {
        linear(backend, x, all.get(next), y);
        next = (next + 1) % all.size();
      }

      @Override
      public double[] values(int result, long[] indices) {
        double[] values = new double[indices.length];
        for (int i = 0; i < values.length; i++) {
          values[i] = Host.getFloat(y.address() + 4 * indices[i]);
        }
        return values;
      }

      @Override
      public void close() {
        for (Weights w : all) w.bytes().storage().free("the end of its case");
      }
    };
  }

  private static void linear(Backend backend, Strided x, Weights w, Strided y) {
    backend.quantised().linear(x, w, null, y);
  }

  /** Until the kernels are compiled scalar code stands in for them, at less than 1 GB/s. */
  private static void awaitCompiled(Runnable call, long bytes) {
    long end = System.nanoTime() + PATIENCE;
    long start;
    do {
      start = System.nanoTime();
      call.run();
    } while (System.nanoTime() - start > bytes && System.nanoTime() < end);
  }

  private static void copy(long from, long to, long bytes) {
    Host.ALL.asSlice(to, bytes).copyFrom(Host.ALL.asSlice(from, bytes));
  }

  @Override
  public List<Finding> findings(List<PeerProcess> peers, Map<String, Double> micros, int threads) {
    List<Finding> found = new ArrayList<>();
    for (Case c : cases()) {
      Double half = micros.get("int4/" + c.shape());
      Double whole = micros.get("int8/" + c.shape());
      if (!c.operation().equals("int4") || half == null || whole == null) continue;
      String text = "medians of the rows above";
      found.add(
          new Finding("int4's time over int8's", c.shape(), threads, half / whole, 1.0, text));
    }
    return found;
  }

  @Override
  public List<String> rivals(Case c) {
    return List.of("ggml");
  }

  @Override
  public Engine rival(String name, int threads) {
    return new GgmlLinear(this, threads);
  }
}
