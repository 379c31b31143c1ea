package dev.theriac.bench.gemm;

import com.sun.management.ThreadMXBean;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;

/**
 * One engine in a JVM of its own, driven by lines on standard input: {@code run SECONDS} and {@code
 * peak MILLIS} are answered with a line of numbers each, the end of input ends it.
 */
public final class GemmPeer {

  private GemmPeer() {}

  /** Arguments: engine, shape, threads. */
  public static void main(String[] args) throws IOException, InterruptedException {
    PrintStream out = System.out;
    System.setOut(System.err); // libraries may talk; the answers must not be mixed with that
    GemmProblem problem = GemmProblem.parse(args[1]);
    int threads = Integer.parseInt(args[2]);
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (GemmEngine engine = GemmEngine.of(args[0], problem, threads)) {
      engine.multiply();
      answer(out, "%.3g %s", problem.error(engine.result()), engine.name());
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        String[] words = line.split(" ");
        switch (words[0]) {
          case "run" -> run(out, engine, problem, Double.parseDouble(words[1]));
          case "peak" -> answer(out, "%.6g", peak(threads, Integer.parseInt(words[1])));
          default -> throw new IllegalArgumentException("unknown command: " + line);
        }
      }
    }
  }

  /** Answers with the slowest, median and fastest rate in GFLOP/s and the bytes per call. */
  private static void run(PrintStream out, GemmEngine engine, GemmProblem problem, double seconds) {
    ThreadMXBean bean = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    double[] rates = new double[100_000];
    int calls = 0;
    long allocated = bean.getTotalThreadAllocatedBytes();
    long end = System.nanoTime() + (long) (seconds * 1e9);
    while ((System.nanoTime() < end || calls < 3) && calls < rates.length) {
      long start = System.nanoTime();
      engine.multiply();
      rates[calls++] = problem.flops() / (System.nanoTime() - start);
    }
    allocated = bean.getTotalThreadAllocatedBytes() - allocated;
    double[] sorted = Arrays.copyOf(rates, calls);
    Arrays.sort(sorted);
    answer(
        out,
        "%.6g %.6g %.6g %d",
        sorted[0],
        sorted[calls / 2],
        sorted[calls - 1],
        allocated / calls);
  }

  /** By name: the class is there only where the Vector API is. */
  private static double peak(int threads, int millis) {
    try {
      return (double)
          Class.forName("dev.theriac.backend.vector.FmaPeak")
              .getMethod("gflops", int.class, int.class)
              .invoke(null, threads, millis);
    } catch (ReflectiveOperationException | LinkageError e) {
      throw new IllegalStateException("the peak cannot be measured", e);
    }
  }

  private static void answer(PrintStream out, String format, Object... values) {
    out.println("= " + String.format(Locale.ROOT, format, values));
    out.flush();
  }
}
