package dev.theriac.bench.performance;

import dev.theriac.bench.frame.Row.Wanted;
import dev.theriac.bench.frame.Work;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * One line of the table, for each thread count: an operation on one shape. Made by {@link #of} and
 * the methods that add to it, each of which gives a new case.
 *
 * @param operation without blanks, e.g. "NT" or "attention-causal"
 * @param shape without blanks, e.g. "577x5632x2048"
 * @param method of the rival's module, see {@link Family}
 * @param work FLOPs and bytes that the operation needs at least
 * @param floor what binds
 * @param wanted by thread count
 * @param inputs in the order in which the rival's method takes them
 * @param results names and sizes, in the order in which engines give them
 * @param numbers further arguments of the rival's method
 * @param tolerance of our results: difference over the largest absolute value
 * @param rivalTolerance of the rivals'
 */
public record Case(
    String operation,
    String shape,
    String method,
    Work work,
    Floor floor,
    Map<Integer, Wanted> wanted,
    List<Input> inputs,
    List<Result> results,
    List<Long> numbers,
    double tolerance,
    double rivalTolerance) {
  /** Something that is compared. */
  public record Result(String name, long size) {}

  /** With the method of the operation's name ('-' as '_', in lower case). */
  public static Case of(String operation, String shape) {
    return new Case(
        operation,
        shape,
        operation.toLowerCase(java.util.Locale.ROOT).replace('-', '_'),
        new Work(0, 0),
        Floor.NONE,
        Map.of(),
        List.of(),
        List.of(),
        List.of(),
        1e-4,
        1e-4);
  }

  /** What {@code --case} and JMH know it by. */
  public String id() {
    return operation + "/" + shape;
  }

  public Case method(String name) {
    return new Case(
        operation,
        shape,
        name,
        work,
        floor,
        wanted,
        inputs,
        results,
        numbers,
        tolerance,
        rivalTolerance);
  }

  /** A multiply-add counts as two operations; each tensor's bytes once, written ones too. */
  public Case work(double flops, double bytes, Floor binding) {
    return new Case(
        operation,
        shape,
        method,
        new Work(flops, bytes),
        binding,
        wanted,
        inputs,
        results,
        numbers,
        tolerance,
        rivalTolerance);
  }

  /**
   * @param ratio the rival's time over ours, or null
   * @param share of the floor, or null
   */
  public Case wanted(int threads, Double ratio, Double share) {
    return wanted(threads, new Wanted(ratio, share, null));
  }

  /** On one thread and on two. */
  public Case wanted(Double ratio, Double share) {
    return wanted(1, ratio, share).wanted(2, ratio, share);
  }

  public Case wanted(int threads, Wanted what) {
    Map<Integer, Wanted> all = new TreeMap<>(wanted);
    all.put(threads, what);
    return new Case(
        operation,
        shape,
        method,
        work,
        floor,
        all,
        inputs,
        results,
        numbers,
        tolerance,
        rivalTolerance);
  }

  public Case input(Input... more) {
    List<Input> all = new ArrayList<>(inputs);
    all.addAll(List.of(more));
    return new Case(
        operation,
        shape,
        method,
        work,
        floor,
        wanted,
        all,
        results,
        numbers,
        tolerance,
        rivalTolerance);
  }

  public Case result(String name, long... dims) {
    List<Result> all = new ArrayList<>(results);
    long size = 1;
    for (long dim : dims) size *= dim;
    all.add(new Result(name, size));
    return new Case(
        operation,
        shape,
        method,
        work,
        floor,
        wanted,
        inputs,
        all,
        numbers,
        tolerance,
        rivalTolerance);
  }

  /** Sizes and switches that the rival's method needs besides tensors. */
  public Case numbers(long... more) {
    List<Long> all = new ArrayList<>(numbers);
    for (long n : more) all.add(n);
    return new Case(
        operation,
        shape,
        method,
        work,
        floor,
        wanted,
        inputs,
        results,
        all,
        tolerance,
        rivalTolerance);
  }

  public Case tolerance(double ours, double rivals) {
    return new Case(
        operation, shape, method, work, floor, wanted, inputs, results, numbers, ours, rivals);
  }

  /**
   * @throws IllegalArgumentException for a name that is not among the inputs
   */
  public Input input(String name) {
    for (Input input : inputs) {
      if (input.name().equals(name)) return input;
    }
    throw new IllegalArgumentException(id() + ": no input " + name);
  }

  Wanted wanted(int threads) {
    return wanted.getOrDefault(threads, Wanted.NOTHING);
  }
}
