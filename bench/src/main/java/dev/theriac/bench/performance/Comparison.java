package dev.theriac.bench.performance;

import dev.theriac.backend.Backends;
import dev.theriac.bench.performance.Case.Result;
import java.util.HashMap;
import java.util.Map;

/** Compares engines' results with what a family expects. */
final class Comparison {
  private static final int SAMPLES = 64;

  /** Gives entries of a result by its name. */
  @FunctionalInterface
  interface Values {
    double[] at(String result, long[] indices);
  }

  private final Family family;

  /** By case and result; the same for all engines and thread counts. */
  private final Map<String, double[]> expected = new HashMap<>();

  Comparison(Family family) {
    this.family = family;
  }

  /**
   * @throws IllegalStateException for a result that is off
   */
  void check(Values values, String engine, Case c, boolean ours) {
    if (!c.results().isEmpty() && !expected.containsKey(c.id() + " 0")) compute(c);
    double tolerance = ours ? c.tolerance() : c.rivalTolerance();
    for (int r = 0; r < c.results().size(); r++) {
      Result result = c.results().get(r);
      long[] places = places(result.size());
      double[] wanted = expected.get(c.id() + " " + r);
      double[] found = values.at(result.name(), places);
      double largest = 1e-30;
      for (double v : wanted) largest = Math.max(largest, Math.abs(v));
      for (int i = 0; i < places.length; i++) {
        if (!(Math.abs(found[i] - wanted[i]) <= tolerance * largest)) {
          throw new IllegalStateException(
              "%s, %s %s: %s[%d] is %s and should be %s"
                  .formatted(
                      engine,
                      family.name(),
                      c.id(),
                      result.name(),
                      places[i],
                      found[i],
                      wanted[i]));
        }
      }
    }
  }

  /** Some between the first and the last. */
  static long[] places(long size) {
    long[] places = new long[(int) Math.min(size, SAMPLES)];
    for (int i = 0; i < places.length; i++) {
      places[i] = size <= SAMPLES ? i : Math.floorMod(i * 2_654_435_761L, size);
    }
    if (size > SAMPLES) places[SAMPLES - 1] = size - 1;
    return places;
  }

  private void compute(Case c) {
    try (Inputs inputs = new Inputs(c)) {
      Family.Expected exact = family.expected(c, inputs);
      Call scalar = exact == null ? family.ours(c, inputs, Backends.scalar()) : null;
      if (scalar != null) scalar.run();
      for (int r = 0; r < c.results().size(); r++) {
        long[] places = places(c.results().get(r).size());
        double[] values = new double[places.length];
        if (scalar != null) values = scalar.values(r, places);
        else for (int i = 0; i < values.length; i++) values[i] = exact.at(r, places[i]);
        expected.put(c.id() + " " + r, values);
      }
      if (scalar != null) scalar.close();
    }
  }
}
