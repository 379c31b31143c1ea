package dev.theriac.bench.performance;

import dev.theriac.backend.Backend;
import dev.theriac.bench.frame.Engine;
import dev.theriac.bench.frame.Finding;
import dev.theriac.bench.frame.PeerProcess;
import dev.theriac.bench.frame.Rounds;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * Cases of one kind. For libtorch there is {@code NAME.py} beside {@code LibtorchFamily}, which
 * makes the committed {@code NAME.pt}: a TorchScript module with a method for each {@link
 * Case#method}, {@code def method(self, t: List[Tensor], n: List[int]) -> List[Tensor]}. It takes
 * the inputs and numbers in their order and gives the results in theirs.
 */
public interface Family {
  /** A word in lower case. */
  String name();

  List<Case> cases();

  /**
   * Sets a case up for our engine.
   *
   * @param backend the kernels of this machine, or the scalar ones for the comparison
   */
  Call ours(Case c, Inputs inputs, Backend backend);

  /**
   * What an entry of a result must be, in float64. By default the scalar back end's result; to be
   * given where that takes more than a second or two.
   */
  default Expected expected(Case c, Inputs inputs) {
    return null;
  }

  /** One entry, flat and row-major. */
  @FunctionalInterface
  interface Expected {
    double at(int result, long index);
  }

  /**
   * Whether a call changes the case's inputs, so that its results are known for the first calls
   * alone.
   */
  default boolean changesInputs(Case c) {
    return false;
  }

  /** Engines that run the case beside ours. */
  default List<String> rivals(Case c) {
    return List.of("libtorch");
  }

  /**
   * Starts a rival other than libtorch, in a process of its own with the rivals' jars on the class
   * path. Its stages are the ids of its cases, tensors are called as the case's results.
   *
   * @throws IllegalStateException where it is missing or does not start
   */
  default Engine rival(String name, int threads) {
    throw new IllegalStateException(name + " is no rival of " + name());
  }

  /**
   * The command of a rival that is a program in Python and speaks as {@link
   * dev.theriac.bench.frame.Peer} does, or null.
   *
   * @param folder where the family may put files for it
   */
  default List<String> script(Path python, Path folder, int threads) throws IOException {
    return null;
  }

  /**
   * Figures other than times, found after all cases were timed.
   *
   * @param peers the engines, ours first
   * @param micros our median for each case by its id
   */
  default List<Finding> findings(List<PeerProcess> peers, Map<String, Double> micros, int threads)
      throws IOException {
    return List.of();
  }

  /**
   * @throws IllegalArgumentException for an id that is not among the cases
   */
  default Case of(String id) {
    for (Case c : cases()) {
      if (c.id().equals(id)) return c;
    }
    throw new IllegalArgumentException(name() + ": no case " + id);
  }

  /** Seconds of warm-up, for calls that run much more than one kernel; see {@link Rounds}. */
  default double warmSeconds() {
    return 0;
  }
}
