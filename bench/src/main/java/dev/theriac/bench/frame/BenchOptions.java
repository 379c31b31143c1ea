package dev.theriac.bench.frame;

import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;

/**
 * How a benchmark is to run.
 *
 * @param threads thread counts, each with processes of its own
 * @param full every shape and more rounds, where the default is to be done within five minutes
 * @param rivals whether other engines run beside ours
 * @param rivalClassPath jars of libtorch, to be added to the class path of its process; null or
 *     empty where it is on the class path already or missing
 * @param python a Python with torch, for the variants that libtorch on the JVM lacks, or null
 * @param only shapes to run, or empty for all
 * @param cases parts of the names of cases to run, or empty for all; only {@code performance}
 * @param rounds how often, or 0 for the benchmark's own choice
 * @param seconds of a measurement in a round, or 0 for the benchmark's own choice
 * @param quickstart a folder that {@code theriac quickstart} wrote, or null; only {@code
 *     performance}
 * @param models a folder for models of full size, or null; only {@code full-size}
 * @param weights in what types the weights of models of full size are to be, or empty for the
 *     benchmark's own choice; only {@code full-size}
 * @param note takes a line that tells how far things are
 */
public record BenchOptions(
    List<Integer> threads,
    boolean full,
    boolean rivals,
    String rivalClassPath,
    Path python,
    List<String> only,
    List<String> cases,
    int rounds,
    double seconds,
    Path quickstart,
    Path models,
    List<String> weights,
    Consumer<String> note) {
  /** Without a folder for models. */
  public BenchOptions(
      List<Integer> threads,
      boolean full,
      boolean rivals,
      String rivalClassPath,
      Path python,
      List<String> only,
      List<String> cases,
      int rounds,
      double seconds,
      Path quickstart,
      Consumer<String> note) {
    this(
        threads,
        full,
        rivals,
        rivalClassPath,
        python,
        only,
        cases,
        rounds,
        seconds,
        quickstart,
        null,
        List.of(),
        note);
  }

  /** Without a quickstart's folder. */
  public BenchOptions(
      List<Integer> threads,
      boolean full,
      boolean rivals,
      String rivalClassPath,
      Path python,
      List<String> only,
      List<String> cases,
      int rounds,
      double seconds,
      Consumer<String> note) {
    this(threads, full, rivals, rivalClassPath, python, only, cases, rounds, seconds, null, note);
  }

  /** All cases. */
  public BenchOptions(
      List<Integer> threads,
      boolean full,
      boolean rivals,
      String rivalClassPath,
      Path python,
      List<String> only,
      int rounds,
      double seconds,
      Consumer<String> note) {
    this(threads, full, rivals, rivalClassPath, python, only, List.of(), rounds, seconds, note);
  }

  public BenchOptions {
    threads = List.copyOf(threads);
    only = List.copyOf(only);
    cases = List.copyOf(cases);
    weights = List.copyOf(weights);
    for (int t : threads) {
      if (t < 1) throw new IllegalArgumentException("bench: " + t + " threads");
    }
    if (threads.isEmpty()) throw new IllegalArgumentException("bench: no thread count");
    if (rounds < 0 || seconds < 0) {
      throw new IllegalArgumentException("bench: rounds %d, seconds %s".formatted(rounds, seconds));
    }
  }
}
