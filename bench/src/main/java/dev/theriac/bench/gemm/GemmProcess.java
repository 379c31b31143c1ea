package dev.theriac.bench.gemm;

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** A running {@link GemmPeer}. */
final class GemmProcess implements AutoCloseable {

  private final Process process;
  private final BufferedReader answers;
  private final BufferedWriter commands;

  /** Largest relative error that the peer found in its own result. */
  final double error;

  /** The engine's name and version. */
  final String name;

  /** Starts the peer and waits for its first product. */
  GemmProcess(String engine, String shape, int threads) throws IOException {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    ProcessBuilder builder =
        new ProcessBuilder(
            List.of(
                java,
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                GemmPeer.class.getName(),
                engine,
                shape,
                Integer.toString(threads)));
    // These pin OpenBLAS to another CPU's kernels where they are set.
    builder.environment().keySet().removeAll(List.of("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"));
    builder.environment().put("OMP_NUM_THREADS", Integer.toString(threads));
    builder.redirectError(ProcessBuilder.Redirect.DISCARD);
    process = builder.start();
    answers = process.inputReader(StandardCharsets.UTF_8);
    commands = process.outputWriter(StandardCharsets.UTF_8);
    String[] first = answer().split(" ", 2);
    error = Double.parseDouble(first[0]);
    name = first[1];
    if (!(error < 1e-5)) {
      close();
      throw new IllegalStateException(name + " is off by " + error + " of its terms");
    }
  }

  /** Multiplies for some seconds: slowest, median and fastest GFLOP/s, bytes per call. */
  double[] run(double seconds) throws IOException {
    return ask("run " + seconds);
  }

  /** The FMA peak in GFLOP/s. */
  double peak(int millis) throws IOException {
    return ask("peak " + millis)[0];
  }

  private double[] ask(String command) throws IOException {
    commands.write(command + "\n");
    commands.flush();
    return Arrays.stream(answer().split(" ")).mapToDouble(Double::parseDouble).toArray();
  }

  private String answer() throws IOException {
    String line;
    do {
      line = answers.readLine();
    } while (line != null && !line.startsWith("= "));
    if (line == null) {
      throw new IllegalStateException(
          "the benchmark's JVM ended early; run GemmPeer by hand to see why, and build with"
              + " -Plibtorch for libtorch");
    }
    return line.substring(2);
  }

  @Override
  public void close() throws IOException {
    commands.close();
    process.destroy();
  }
}
