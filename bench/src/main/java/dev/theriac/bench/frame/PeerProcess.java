package dev.theriac.bench.frame;

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/** A running {@link Peer}, or another program that speaks its language. */
public final class PeerProcess implements AutoCloseable {
  /** Median and fastest microseconds of a call, and the number of calls. */
  public record Timing(double median, double fastest, int calls) {}

  /** The pages in which the memory of a native engine lies. */
  enum Pages {
    /** Those that libtorch and the C library take unasked. */
    USUAL("", Map.of()),
    /**
     * Of 2 MiB for large blocks, as our tensors have them: what libtorch allocates, and what the C
     * library hands out, the direct buffers behind its inputs included.
     */
    LARGE(
        ", 2 MiB pages",
        Map.of("THP_MEM_ALLOC_ENABLE", "1", "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"));

    private final String text;
    private final Map<String, String> environment;

    Pages(String text, Map<String, String> environment) {
      this.text = text;
      this.environment = environment;
    }
  }

  /**
   * Until the first answer: loading a large library from a slow disk, making a problem's inputs.
   */
  private static final Duration START_LIMIT = Duration.ofMinutes(5);

  private static final int SHOWN = 200;

  private final List<String> command;
  private final int threads;
  private final Pages pages;
  private final Process process;
  private final BufferedReader answers;
  private final BufferedWriter commands;
  private final Path errors;
  private final String name;
  private volatile boolean overdue;
  private String skipped = "";

  /**
   * Starts a JVM with one of our engines.
   *
   * @throws IllegalStateException with what the program printed when it does not start
   */
  public PeerProcess(String bench, String engine, String problem, int threads) throws IOException {
    this(bench, engine, problem, threads, null, Pages.USUAL);
  }

  /**
   * Starts a JVM with one engine.
   *
   * @param moreClassPath null or jars that only this engine needs
   * @throws IllegalStateException with what the program printed when it does not start
   */
  PeerProcess(
      String bench, String engine, String problem, int threads, String moreClassPath, Pages pages)
      throws IOException {
    this(
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            // Another engine's tensors are direct buffers, of which a JVM allows as much as heap.
            "-XX:MaxDirectMemorySize=1t",
            "-Xmx2g",
            "-XX:+UseParallelGC",
            "-cp",
            System.getProperty("java.class.path")
                + (moreClassPath == null ? "" : File.pathSeparator + moreClassPath),
            Peer.class.getName(),
            bench,
            engine,
            problem,
            Integer.toString(threads)),
        threads,
        pages);
  }

  /**
   * Our engine in a JVM with the options of the launcher, to see the memory that it takes.
   *
   * @throws IOException outside a source tree, where those options are not to be found
   */
  public static PeerProcess asUsersStartIt(String bench, String problem, int threads)
      throws IOException {
    return new PeerProcess(
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "@" + SourceTree.folder().resolve(SourceTree.OPTIONS),
            "-D" + Engine.AS_FOUND + "=true",
            "-cp",
            System.getProperty("java.class.path"),
            Peer.class.getName(),
            bench,
            "theriac",
            problem,
            Integer.toString(threads)),
        threads);
  }

  /** Our engine in a JVM with one more option. */
  public static PeerProcess with(String option, String bench, String engine, int threads)
      throws IOException {
    return new PeerProcess(
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "-Xmx1g",
            "-XX:+UseParallelGC",
            option,
            "-cp",
            System.getProperty("java.class.path"),
            Peer.class.getName(),
            bench,
            engine,
            "all",
            Integer.toString(threads)),
        threads);
  }

  /** Another process of the same program. */
  public PeerProcess again() throws IOException {
    return new PeerProcess(command, threads, pages);
  }

  /**
   * Starts any program that answers with its name and then as {@link Peer} does.
   *
   * @throws IOException when there is no such program
   * @throws IllegalStateException with what it printed when it ends, or gives no first answer
   *     within five minutes; nothing of it is left then
   */
  public PeerProcess(List<String> command, int threads) throws IOException {
    this(command, threads, Pages.USUAL);
  }

  PeerProcess(List<String> command, int threads, Pages pages) throws IOException {
    this(command, threads, pages, START_LIMIT);
  }

  PeerProcess(List<String> command, int threads, Pages pages, Duration startLimit)
      throws IOException {
    this.command = command;
    this.threads = threads;
    this.pages = pages;
    ProcessBuilder builder = new ProcessBuilder(command);
    // These pin OpenBLAS to another CPU's kernels where they are set.
    builder.environment().keySet().removeAll(List.of("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"));
    builder.environment().put("OMP_NUM_THREADS", Integer.toString(threads));
    builder.environment().putAll(pages.environment);
    errors = Files.createTempFile("bench", ".err");
    builder.redirectError(errors.toFile());
    try {
      process = Processes.start(builder);
    } catch (IOException e) {
      Files.deleteIfExists(errors);
      throw e;
    }
    answers = process.inputReader(StandardCharsets.UTF_8);
    commands = process.outputWriter(StandardCharsets.UTF_8);
    boolean started = false;
    try {
      name = first(startLimit);
      started = true;
    } finally {
      if (!started) close();
    }
  }

  private String first(Duration limit) throws IOException {
    CompletableFuture<Void> answered = new CompletableFuture<>();
    answered
        .orTimeout(limit.toMillis(), TimeUnit.MILLISECONDS)
        .whenCompleteAsync((_, late) -> {
          if (late == null) return;
          overdue = true;
          Processes.end(process);
        });
    try {
      return answer();
    } catch (IOException | IllegalStateException e) {
      if (!overdue) throw e;
      throw new IllegalStateException(
          "a benchmark's process did not answer within %d s%s"
              .formatted(limit.toSeconds(), printed()),
          e);
    } finally {
      answered.complete(null);
    }
  }

  /** The engine's name and version. */
  public String name() {
    return name;
  }

  /** The name as tables show it, with what is not as usual. */
  String title() {
    return name + pages.text;
  }

  public Set<String> stages() throws IOException {
    return Set.of(ask("stages").split("\t"));
  }

  /** Repeats a stage for some seconds, once at least. */
  public Timing run(String stage, double seconds) throws IOException {
    return ask(
        "run\t" + stage + "\t" + seconds,
        answer -> {
          String[] words = answer.split(" ");
          return new Timing(
              Double.parseDouble(words[0]),
              Double.parseDouble(words[1]),
              Integer.parseInt(words[2]));
        });
  }

  /** See {@link Engine#values}. */
  public double[] values(String tensor, long[] indices) throws IOException {
    StringBuilder command = new StringBuilder("values\t").append(tensor);
    for (long i : indices) command.append('\t').append(i);
    return ask(
        command.toString(),
        answer ->
            Arrays.stream(answer.strip().split(" ")).mapToDouble(Double::parseDouble).toArray());
  }

  /** See {@link Engine#restart}. */
  public void restart() throws IOException {
    ask("restart");
  }

  /** See {@link Engine#peakBytes}. */
  public long peakBytes(String stage) throws IOException {
    return ask("bytes\t" + stage, Long::parseLong);
  }

  /** The most memory that the process has had resident, in bytes; -1 where that is not known. */
  public long residentPeak() throws IOException {
    return ask("resident", Long::parseLong);
  }

  /** What the machine can do with this process's threads. */
  public Work.Ceiling ceiling(int millis) throws IOException {
    return new Work.Ceiling(
        ask("peak\t" + millis, Double::parseDouble),
        ask("bandwidth\t" + millis, Double::parseDouble),
        ask("copy\t" + millis, Double::parseDouble));
  }

  /** The processor time that the process has used so far, of all its threads, where known. */
  Optional<Duration> processorTime() {
    return process.info().totalCpuDuration();
  }

  private String ask(String command) throws IOException {
    try {
      commands.write(command + "\n");
      commands.flush();
    } catch (IOException e) {
      throw ended();
    }
    return answer();
  }

  /** What is no number is the program's fault, not the caller's. */
  private <T> T ask(String command, Function<String, T> read) throws IOException {
    String answer = ask(command);
    try {
      return read.apply(answer);
    } catch (NumberFormatException | IndexOutOfBoundsException e) {
      throw new IllegalStateException(
          "%s answered \"%s\" with \"%s\""
              .formatted(name, command.replace('\t', ' '), shortened(answer)),
          e);
    }
  }

  private String answer() throws IOException {
    while (true) {
      String line = answers.readLine();
      if (line == null) throw ended();
      if (line.startsWith("= ")) return line.substring(2);
      if (!line.isBlank()) skipped = line;
    }
  }

  private IllegalStateException ended() throws IOException {
    return new IllegalStateException("a benchmark's process ended early" + printed());
  }

  /** What it said on standard error, and last instead of an answer. */
  private String printed() throws IOException {
    String text = new String(Files.readAllBytes(errors), StandardCharsets.UTF_8);
    return Processes.printed(skipped.isEmpty() ? text : text + "\n" + shortened(skipped));
  }

  private static String shortened(String line) {
    return line.length() <= SHOWN ? line : line.substring(0, SHOWN) + " ...";
  }

  /** Whether the process, or one that it started, still runs. */
  boolean isAlive() {
    return process.isAlive() || process.descendants().findAny().isPresent();
  }

  /** Ends the process and what it started, closes its streams and removes what it printed. */
  @Override
  public void close() throws IOException {
    try {
      commands.close();
    } catch (IOException e) {
      // It has ended already.
    }
    Processes.end(process);
    try {
      answers.close();
    } finally {
      Files.deleteIfExists(errors);
    }
  }
}
