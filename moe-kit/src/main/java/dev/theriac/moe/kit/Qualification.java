package dev.theriac.moe.kit;

import dev.theriac.backend.Backend;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.opentest4j.TestAbortedException;

/**
 * Runs the kit in a program rather than in a build, as the qualification of an installation: on the
 * user's machine, with the user's JVM and flags. Each test's outcome and worst error are kept.
 */
public final class Qualification {
  private Qualification() {}

  /** What became of a test. */
  public enum Outcome {
    PASSED,
    FAILED,
    SKIPPED
  }

  /**
   * One test's result.
   *
   * @param id such as R01
   * @param title what was tested
   * @param outcome passed, failed or skipped
   * @param comparisons results that were compared with the oracle
   * @param worst the largest error, in tolerances: up to 1 is within
   * @param message why it failed or was skipped; empty for a pass
   * @param millis how long it took
   */
  public record Result(
      String id,
      String title,
      Outcome outcome,
      int comparisons,
      double worst,
      String message,
      long millis) {}

  /**
   * All results, in the order of IDs.
   *
   * @param backends names of the back ends
   * @param results one for each test
   */
  public record Report(List<String> backends, List<Result> results) {
    /** Whether no test failed. */
    public boolean passed() {
      return count(Outcome.FAILED) == 0;
    }

    public long count(Outcome outcome) {
      return results.stream().filter(r -> r.outcome == outcome).count();
    }

    /** A table with one line for each test, and a last line with the sums. */
    @Override
    public String toString() {
      StringBuilder out = new StringBuilder();
      for (Result r : results) {
        String worst = r.comparisons == 0 ? "" : "%.3f".formatted(r.worst);
        out.append("%-4s %-7s %6s  %s%n".formatted(r.id, r.outcome, worst, r.title.substring(4)));
        if (!r.message.isEmpty()) out.append("%22s%s%n".formatted("", r.message));
      }
      out.append(
          "%s: %d passed, %d failed, %d skipped; numbers are the worst errors in tolerances%n"
              .formatted(
                  String.join(", ", backends),
                  count(Outcome.PASSED),
                  count(Outcome.FAILED),
                  count(Outcome.SKIPPED)));
      return out.toString();
    }
  }

  /**
   * Tests one back end. It must be one of the JVM's own, or have a public constructor without
   * parameters, so that D05 can make it in another JVM.
   */
  public static Report run(Backend backend) {
    return run(() -> List.of(backend), _ -> true, _ -> {});
  }

  /**
   * Tests the back ends of a kit.
   *
   * @param wanted which IDs to run
   * @param progress told each result as soon as it is known
   */
  public static Report run(MoeKit kit, Predicate<String> wanted, Consumer<Result> progress) {
    List<Result> results = new ArrayList<>();
    TestIds.tests()
        .forEach((id, tests) -> {
          if (!wanted.test(id)) return;
          for (Method test : tests) {
            Result result = run(kit, test);
            results.add(result);
            progress.accept(result);
          }
        });
    return new Report(kit.backends().stream().map(Backend::name).toList(), List.copyOf(results));
  }

  private static Result run(MoeKit kit, Method test) {
    Measurements seen = new Measurements();
    long start = System.nanoTime();
    Throwable thrown = seen.collect(() -> invoke(kit, test));
    long millis = (System.nanoTime() - start) / 1_000_000;
    Outcome outcome =
        switch (thrown) {
          case null -> Outcome.PASSED;
          case TestAbortedException _ -> Outcome.SKIPPED;
          default -> Outcome.FAILED;
        };
    String message = thrown == null ? "" : String.valueOf(thrown.getMessage());
    String title = TestIds.title(test);
    return new Result(
        title.substring(0, 3), title, outcome, seen.count(), seen.worst(), message, millis);
  }

  private static Throwable invoke(MoeKit kit, Method test) {
    try {
      test.invoke(kit);
      return null;
    } catch (InvocationTargetException e) {
      return e.getCause();
    } catch (IllegalAccessException e) {
      return e;
    }
  }
}
