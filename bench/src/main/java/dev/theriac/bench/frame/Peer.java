package dev.theriac.bench.frame;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;

/**
 * One engine in a JVM of its own, driven by lines on standard input; each is answered with one line
 * that begins with {@code "= "}. Commands, words parted by tabs: {@code stages}, {@code run STAGE
 * SECONDS} (median and fastest microseconds, calls), {@code values TENSOR INDEX...}, {@code bytes
 * STAGE}, {@code restart}, {@code resident} (peak, in bytes), {@code peak MILLIS} (GFLOP/s), {@code
 * bandwidth MILLIS} and {@code copy MILLIS} (GB/s). {@code moe_peer.py} speaks the same.
 */
public final class Peer {
  private static final int MOST_CALLS = 200_000;

  private Peer() {}

  /** Arguments: benchmark, engine, problem, threads. */
  public static void main(String[] args) throws IOException, InterruptedException {
    PrintStream out = System.out;
    System.setOut(System.err); // libraries may talk; the answers must not be mixed with that
    int threads = Integer.parseInt(args[3]);
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (Engine engine = Engines.of(args[0], args[1], args[2], threads)) {
      answer(out, engine.name());
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        answer(out, reply(engine, threads, line.split("\t")));
      }
    }
  }

  private static String reply(Engine engine, int threads, String[] words)
      throws InterruptedException {
    return switch (words[0]) {
      case "stages" -> String.join("\t", engine.stages());
      case "run" -> run(engine, words[1], Double.parseDouble(words[2]));
      case "values" -> {
        long[] indices = Arrays.stream(words).skip(2).mapToLong(Long::parseLong).toArray();
        StringBuilder values = new StringBuilder();
        for (double v : engine.values(words[1], indices)) values.append(v).append(' ');
        yield values.toString();
      }
      case "bytes" -> Long.toString(engine.peakBytes(words[1]));
      case "restart" -> {
        engine.restart();
        yield "";
      }
      case "resident" -> Long.toString(residentPeak());
      case "peak" -> format("%.6g", Ceilings.fma(threads, Integer.parseInt(words[1])));
      case "bandwidth" -> format("%.6g", Ceilings.read(threads, Integer.parseInt(words[1])));
      case "copy" -> format("%.6g", Ceilings.copy(threads, Integer.parseInt(words[1])));
      default -> throw new IllegalArgumentException("unknown command: " + words[0]);
    };
  }

  private static String run(Engine engine, String stage, double seconds) {
    double[] micros = new double[MOST_CALLS];
    int calls = 0;
    long end = System.nanoTime() + (long) (seconds * 1e9);
    do {
      long start = System.nanoTime();
      engine.run(stage);
      micros[calls++] = (System.nanoTime() - start) / 1e3;
    } while (System.nanoTime() < end && calls < MOST_CALLS);
    double[] sorted = Arrays.copyOf(micros, calls);
    Arrays.sort(sorted);
    return format("%.6g %.6g %d", Stats.median(sorted), sorted[0], calls);
  }

  /** The system's own count of this process's peak; Linux alone tells it. */
  private static long residentPeak() {
    try (var lines = Files.lines(Path.of("/proc/self/status"))) {
      return lines
          .filter(line -> line.startsWith("VmHWM:"))
          .map(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
          .findFirst()
          .orElse(-1L);
    } catch (IOException e) {
      return -1;
    }
  }

  private static String format(String pattern, Object... values) {
    return String.format(Locale.ROOT, pattern, values);
  }

  private static void answer(PrintStream out, String text) {
    out.println("= " + text);
    out.flush();
  }
}
