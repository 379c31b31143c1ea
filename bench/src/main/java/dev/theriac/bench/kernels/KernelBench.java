package dev.theriac.bench.kernels;

import dev.theriac.bench.frame.Bench;
import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.bench.frame.BenchReport;
import dev.theriac.bench.frame.PeerProcess;
import dev.theriac.bench.frame.Rounds;
import dev.theriac.bench.frame.Work;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** The kernels other than products: vector code beside the scalar loops that define them. */
public final class KernelBench implements Bench {
  @Override
  public String name() {
    return "kernels";
  }

  @Override
  public String description() {
    return "elementwise, norms, softmax, loss, optimiser, attention (rows x columns)";
  }

  @Override
  public List<String> shapes() {
    return List.of("2048x128", "4096x256", "512x2048");
  }

  @Override
  public BenchReport run(BenchOptions options) throws IOException {
    BenchReport report = new BenchReport(this, options);
    for (String shape : chosen(options, shapes().subList(0, 1))) {
      for (int threads : options.threads()) {
        try (Rounds rounds = new Rounds(options, threads, 5)) {
          rounds.add(new PeerProcess(name(), "vector", shape, threads));
          rounds.add(new PeerProcess(name(), "scalar", shape, threads));
          for (String kernel : KernelEngine.KERNELS) check(rounds.peers(), kernel, shape);
          report.ceiling(threads, rounds.ceiling());
          List<String> kernels = new ArrayList<>(KernelEngine.KERNELS);
          rounds.measure(kernels, List.of());
          for (String kernel : kernels) {
            Work work = work(kernel, shape);
            report.add(rounds.row(kernel, shape, work, report.ceiling(threads), List.of()));
          }
        }
      }
    }
    return report;
  }

  /** Traffic alone, each tensor once; null for attention, which is neither. */
  private static Work work(String kernel, String shape) {
    String[] sizes = shape.split("x");
    double size = 4.0 * Integer.parseInt(sizes[0]) * Integer.parseInt(sizes[1]);
    return switch (kernel) {
      case "add-bias", "gelu", "softmax", "layer-norm" -> new Work(0, 2 * size);
      case "gelu-gradient", "swiglu", "layer-norm-gradient" -> new Work(0, 3 * size);
      case "cross-entropy" -> new Work(0, size);
      case "adamw" -> new Work(0, 7 * size);
      default -> null;
    };
  }

  private static void check(List<PeerProcess> peers, String kernel, String shape)
      throws IOException {
    String[] sizes = shape.split("x");
    long size = Long.parseLong(sizes[0]);
    if (!kernel.equals("cross-entropy")) size *= Long.parseLong(sizes[1]);
    long[] indices = new long[100];
    for (int i = 0; i < indices.length; i++) indices[i] = i * 7919L % size;
    double[][] values = new double[2][];
    for (int p = 0; p < 2; p++) {
      peers.get(p).run(kernel, 0); // one call, the first: adamw goes on from the last
      values[p] = peers.get(p).values(kernel, indices);
    }
    double largest = 1e-30;
    for (double v : values[1]) largest = Math.max(largest, Math.abs(v));
    for (int i = 0; i < indices.length; i++) {
      double off = Math.abs(values[0][i] - values[1][i]) / largest;
      if (!(off < 1e-5)) {
        throw new IllegalStateException(
            "%s: vector and scalar code differ by %.2g of the largest value"
                .formatted(kernel, off));
      }
    }
  }
}
