package dev.theriac.bench;

import dev.theriac.bench.gemm.GemmTable;
import dev.theriac.bench.gpu.GpuDispatchBenchmark;
import java.io.IOException;
import java.util.Arrays;

/**
 * Starts a benchmark from one line of text, which is all that the build can pass on: {@code gemm}
 * and its options for {@link GemmTable}, anything else for JMH. {@code GpuDispatchBenchmark} is not
 * started where there is no card to time.
 */
public final class Main {

  private Main() {}

  /** Arguments may come one by one or as one, separated by blanks. */
  public static void main(String[] args) throws IOException {
    String[] words = String.join(" ", args).strip().split("\\s+");
    if (words[0].equals("gemm")) {
      GemmTable.main(Arrays.copyOfRange(words, 1, words.length));
    } else if (words[0].equals("GpuDispatchBenchmark")
        && !GpuDispatchBenchmark.obstacle().isEmpty()) {
      System.out.println("GpuDispatchBenchmark: " + GpuDispatchBenchmark.obstacle());
    } else {
      org.openjdk.jmh.Main.main(words[0].isEmpty() ? new String[0] : words);
    }
  }
}
