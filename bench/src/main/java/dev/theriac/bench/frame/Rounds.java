package dev.theriac.bench.frame;

import dev.theriac.bench.frame.PeerProcess.Pages;
import dev.theriac.bench.frame.Row.Wanted;
import dev.theriac.bench.frame.Work.Ceiling;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Engines side by side on one problem with one thread count. Rounds alternate between them so that
 * a busy machine hits all alike, and which goes first alternates too; ratios are taken within a
 * round. Before each turn the other engines' processes have come to rest. The first engine is ours.
 *
 * <p>Processes of the same name are one engine in several settings: each stage is timed in that
 * setting alone which was the fastest in the warm-up.
 */
public final class Rounds implements AutoCloseable {
  private static final double WARM_SECONDS = 0.2;
  private static final double NATIVE_WARM_SECONDS = 0.1;
  private static final int MOST_SLICES = 40;
  private static final int FEW = 3;
  private static final double LONG_MICROS = 4e5;

  /** Several times what any known library waits busily. */
  private static final long MOST_PAUSE_MILLIS = 2_000;

  private final BenchOptions options;
  private final int threads;
  private final int count;
  private final double seconds;
  private final List<PeerProcess> peers = new ArrayList<>();
  private final Map<String, Map<PeerProcess, double[]>> micros = new LinkedHashMap<>();
  private double warmSeconds;

  /**
   * @param usualRounds of the short form, where the caller does not say how many
   */
  public Rounds(BenchOptions options, int threads, int usualRounds) {
    this.options = options;
    this.threads = threads;
    count = options.rounds() > 0 ? options.rounds() : options.full() ? 9 : usualRounds;
    seconds = options.seconds() > 0 ? options.seconds() : options.full() ? 0.5 : 0.15;
  }

  /**
   * Warms our stages up for that long at least. For calls that run hundreds of methods: the
   * compiler reaches them one after the other, with pauses in which nothing gets faster. Native
   * engines have nothing to compile.
   */
  public void warmAtLeast(double wanted) {
    warmSeconds = wanted;
  }

  public void add(PeerProcess peer) {
    peers.add(peer);
  }

  /**
   * Adds an engine that may be missing here, with a note then. Libtorch runs with each kind of
   * pages: what it allocates in a call, it allocates more slowly in large ones.
   */
  public void addRival(String bench, String engine, String problem) throws IOException {
    if (!options.rivals()) return;
    boolean both = engine.equals("libtorch");
    List<Start> starts = new ArrayList<>();
    for (Pages pages : both ? List.of(Pages.values()) : List.of(Pages.LARGE)) {
      starts.add(
          () -> new PeerProcess(bench, engine, problem, threads, options.rivalClassPath(), pages));
    }
    addRival(engine, starts);
  }

  /** As {@link #addRival(String, String, String)}, for another program. */
  public void addRival(List<String> command) throws IOException {
    addRival(command.getFirst(), List.of(() -> new PeerProcess(command, threads)));
  }

  /** Starts a process. */
  interface Start {
    PeerProcess start() throws IOException;
  }

  /** All of an engine's processes, or none: what has started when another does not is ended. */
  void addRival(String name, List<Start> starts) throws IOException {
    List<PeerProcess> started = new ArrayList<>();
    boolean all = false;
    try {
      for (Start start : starts) started.add(start.start());
      peers.addAll(started);
      all = true;
    } catch (IllegalStateException e) {
      options.note().accept(name + " is left out: " + lastLine(e.getMessage()));
    } finally {
      if (!all) closeAll(started);
    }
  }

  private static String lastLine(String message) {
    for (String line : message.split("\n")) {
      int at = line.indexOf("IllegalStateException: ");
      if (at >= 0) return line.substring(at + "IllegalStateException: ".length());
    }
    return message;
  }

  public List<PeerProcess> peers() {
    return List.copyOf(peers);
  }

  /** What the machine can do with as many threads, once the compiler and the clock have settled. */
  public Ceiling ceiling() throws IOException {
    int millis = options.full() ? 500 : 200;
    awaitRestOfOthers(peers.getFirst());
    Ceiling best = peers.getFirst().ceiling(millis);
    for (int again = 0; again < 4; again++) {
      Ceiling next = peers.getFirst().ceiling(millis);
      boolean settled = next.gflops() < 1.05 * best.gflops();
      best = best.most(next);
      if (settled) break;
    }
    return best;
  }

  /**
   * Times stages; each engine those that it has, after a warm-up. Where a call takes long, the
   * short form has fewer rounds.
   *
   * @param whole stages that take a measurement's full time
   * @param parts short ones, which get a fifth of it
   */
  public void measure(List<String> whole, List<String> parts) throws IOException {
    List<String> stages = new ArrayList<>(whole);
    stages.addAll(parts);
    double longest = 0;
    Map<String, Map<String, Warm>> fastest = new HashMap<>();
    for (PeerProcess peer : peers) {
      Set<String> has = peer.stages();
      for (String stage : stages) {
        if (!has.contains(stage)) continue;
        Warm warm = new Warm(peer, warm(peer, stage));
        longest = Math.max(longest, warm.micros);
        fastest
            .computeIfAbsent(stage, s -> new LinkedHashMap<>())
            .merge(peer.name(), warm, (a, b) -> b.micros < a.micros ? b : a);
      }
    }
    boolean few = longest > LONG_MICROS && options.rounds() == 0 && !options.full();
    int turns = few ? Math.min(FEW, count) : count;
    fastest.forEach((stage, engines) -> {
      Map<PeerProcess, double[]> times = new LinkedHashMap<>();
      engines.values().forEach(warm -> times.put(warm.peer, new double[turns]));
      micros.put(stage, times);
    });
    for (int round = 0; round < turns; round++) {
      for (String stage : stages) {
        for (PeerProcess peer : round % 2 == 0 ? peers : peers.reversed()) {
          double[] times = micros.getOrDefault(stage, Map.of()).get(peer);
          if (times == null) continue;
          times[round] = turn(peer, stage, whole.contains(stage) ? seconds : seconds / 5).median();
        }
      }
    }
  }

  /** What a warm-up found. */
  private record Warm(PeerProcess peer, double micros) {}

  /**
   * Runs a stage until it gets no faster: vector code that is not compiled yet is hundreds of times
   * slower, and how soon it is depends on the number of calls. Returns microseconds of a call.
   */
  private double warm(PeerProcess peer, String stage) throws IOException {
    boolean ours = peer == peers.getFirst();
    double slice = ours ? WARM_SECONDS : NATIVE_WARM_SECONDS;
    if (options.seconds() > 0) slice = Math.min(slice, options.seconds());
    double least = ours ? warmSeconds : 0;
    double best = Double.POSITIVE_INFINITY;
    int settled = 0;
    for (double spent = 0; settled < 2 && spent < MOST_SLICES * slice || spent < least; ) {
      double median = turn(peer, stage, slice).median();
      spent += Math.max(slice, median / 1e6);
      // A call of half a second runs everything often enough within itself.
      int step = median > 5e5 ? 2 : 1;
      settled = median < 0.95 * best ? 0 : settled + step;
      best = Math.min(best, median);
    }
    return best;
  }

  private PeerProcess.Timing turn(PeerProcess peer, String stage, double time) throws IOException {
    awaitRestOfOthers(peer);
    return peer.run(stage, time);
  }

  private void awaitRestOfOthers(PeerProcess peer) {
    List<Supplier<Optional<Duration>>> clocks = new ArrayList<>();
    for (PeerProcess other : peers) {
      if (other != peer) clocks.add(other::processorTime);
    }
    if (!Standstill.await(clocks, MOST_PAUSE_MILLIS)) {
      options
          .note()
          .accept("  another engine's process was at work during a turn of " + peer.name());
    }
  }

  /** Whether the stage was timed for our engine. */
  public boolean has(String stage) {
    return micros.containsKey(stage) && micros.get(stage).containsKey(peers.getFirst());
  }

  /** The processes in which a stage was timed. */
  public Set<PeerProcess> timed(String stage) {
    return micros.get(stage).keySet();
  }

  /** Median over rounds of our engine's time for a stage, in microseconds. */
  public double median(String stage) {
    return Stats.median(ours(stage));
  }

  private double[] ours(String stage) {
    return micros.get(stage).get(peers.getFirst());
  }

  /** Median over rounds of the ratio of two of our stages. */
  public double ratio(String above, String below) {
    return Stats.median(Stats.ratios(ours(above), ours(below)));
  }

  /**
   * A row for a stage. Rivals are the other engines that have it (those whose name says bf16 are
   * only told beside them), or without any the fastest of our own baselines.
   *
   * @param work what the stage needs, or null where no bound is known
   * @param baselines stages of our engine that do the same otherwise
   */
  public Row row(String stage, String shape, Work work, Ceiling ceiling, List<String> baselines) {
    double[] ours = ours(stage);
    double median = Stats.median(ours);
    Map<String, Double> others = new LinkedHashMap<>();
    Map<String, double[]> rivals = new HashMap<>();
    micros
        .get(stage)
        .forEach((peer, times) -> {
          if (peer == peers.getFirst()) return;
          others.put(peer.title(), Stats.median(times));
          if (!peer.name().contains("bf16")) rivals.put(peer.title(), times);
        });
    for (String baseline : baselines) {
      if (!has(baseline)) continue;
      others.put(baseline, median(baseline));
    }
    if (rivals.isEmpty()) {
      for (String baseline : baselines) {
        if (has(baseline)) rivals.put(baseline, ours(baseline));
      }
    }
    String rival = null;
    for (String name : rivals.keySet()) {
      if (rival == null || others.get(name) < others.get(rival)) rival = name;
    }
    double[] ratios = rival == null ? null : Stats.ratios(rivals.get(rival), ours);
    boolean arithmetic = work != null && work.flops() > 0;
    return new Row(
        stage,
        shape,
        threads,
        median,
        rival,
        rival == null ? null : others.get(rival),
        ratios == null ? null : Stats.median(ratios),
        ratios == null ? null : Arrays.stream(ratios).min().getAsDouble(),
        ratios == null ? null : Arrays.stream(ratios).max().getAsDouble(),
        arithmetic ? work.flops() / median / 1e3 : null,
        work == null ? null : work.ofBound(ceiling, median),
        work == null ? null : work.binding(ceiling),
        others,
        null,
        Wanted.NOTHING);
  }

  @Override
  public void close() throws IOException {
    closeAll(peers);
  }

  /** One that cannot be closed does not keep the others. */
  private static void closeAll(List<PeerProcess> processes) throws IOException {
    IOException first = null;
    for (PeerProcess process : processes) {
      try {
        process.close();
      } catch (IOException e) {
        if (first == null) first = e;
        else first.addSuppressed(e);
      }
    }
    if (first != null) throw first;
  }
}
