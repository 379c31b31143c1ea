package dev.theriac.bench.dispatch;

import dev.theriac.moe.FixedRouter;
import dev.theriac.tensor.Scope;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * A layer with its data. Every number is a function of its place alone, so that engines in
 * different processes and languages have the same data without sending it.
 *
 * @param shape the layer
 * @param distribution how tokens are spread: uniform, round-robin, zipf-0.5, zipf-1.0, zipf-1.5,
 *     all-to-one, half-empty
 */
public record DispatchProblem(MoeShape shape, String distribution) {
  private static final long SEED = 11;

  /** Reads {@code ID:DISTRIBUTION}. */
  public static DispatchProblem parse(String text) {
    String[] parts = text.split(":");
    if (parts.length != 2) {
      throw new IllegalArgumentException("problem " + text + " is not of the form SHAPE:ROUTING");
    }
    return new DispatchProblem(MoeShape.of(parts[0]), parts[1]);
  }

  public String text() {
    return shape.id() + ":" + distribution;
  }

  /** Expert of each choice, I64 [T, k]; the meta expert is the last choice of each token. */
  public long[] ids() {
    return ids(distribution);
  }

  /** As {@link #ids()}, in another distribution. */
  public long[] ids(String wanted) {
    FixedRouter router =
        switch (wanted.toLowerCase(Locale.ROOT)) {
          case "uniform" -> FixedRouter.uniform(SEED);
          case "round-robin" -> FixedRouter.roundRobin();
          case "zipf-0.5" -> FixedRouter.zipf(0.5, SEED);
          case "zipf-1.0" -> FixedRouter.zipf(1.0, SEED);
          case "zipf-1.5" -> FixedRouter.zipf(1.5, SEED);
          case "all-to-one" -> FixedRouter.allToOne();
          case "half-empty" -> FixedRouter.halfEmpty(SEED);
          default -> throw new IllegalArgumentException("no routing \"" + wanted + "\"");
        };
    long[] chosen;
    try (Scope _ = Scope.open()) {
      chosen = router.choose(shape.tokens(), shape.experts(), shape.topK()).toLongs();
    }
    if (!shape.meta()) return chosen;
    long[] ids = new long[Math.toIntExact(shape.rows())];
    for (int i = 0; i < ids.length; i++) {
      int t = i / shape.choices();
      int j = i % shape.choices();
      ids[i] = j < shape.topK() ? chosen[t * shape.topK() + j] : shape.experts();
    }
    return ids;
  }

  /** Rows of each expert. */
  public long[] counts() {
    long[] counts = new long[shape.groups()];
    for (long id : ids()) counts[(int) id]++;
    return counts;
  }

  /** Experts with rows. */
  public long used() {
    return java.util.Arrays.stream(counts()).filter(c -> c > 0).count();
  }

  /** How uneven: the largest number of rows over the mean, and experts without rows. */
  public String spread() {
    long most = 0;
    long empty = 0;
    long all = 0;
    long[] counts = counts();
    for (int e = 0; e < shape.experts(); e++) {
      most = Math.max(most, counts[e]);
      all += counts[e];
      if (counts[e] == 0) empty++;
    }
    return String.format(
        Locale.ROOT,
        "%s, max/mean %.2f, %d empty",
        distribution,
        most * shape.experts() / (double) all,
        empty);
  }

  /**
   * One tensor's numbers.
   *
   * @param seed tells tensors apart
   * @param scale half the width of the interval around 0 in which numbers lie uniformly
   * @param offset added to each
   */
  public record Values(long seed, double scale, double offset) {
    /** SplitMix64's output function (Steele et al. 2014) of the place, to 24 bits. */
    public float at(long index) {
      long z = index * 0x9E3779B97F4A7C15L + seed * 0xD1342543DE82EF95L;
      z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
      z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
      z ^= z >>> 31;
      return (float) (((z >>> 40) * 0x1p-23 - 1) * scale + offset);
    }
  }

  /**
   * The inputs by name: x and g [T, d], weights [T, k], router [E, d], gate and up [E, n, d], down
   * [E, d, n], gate_bias [E, n], down_bias [E, d].
   */
  public Map<String, Values> inputs() {
    double in = Math.sqrt(3.0 / shape.dim());
    double out = Math.sqrt(3.0 / shape.hidden());
    Map<String, Values> all = new HashMap<>();
    all.put("x", new Values(1, 1, 0));
    all.put("g", new Values(2, 1, 0));
    all.put("weights", new Values(3, 0.25, 0.5));
    all.put("router", new Values(4, in, 0));
    all.put("gate", new Values(5, in, 0));
    all.put("up", new Values(6, in, 0));
    all.put("down", new Values(7, out, 0));
    all.put("gate_bias", new Values(8, 0.5, 0));
    all.put("down_bias", new Values(9, 0.5, 0));
    return all;
  }

  /** The routing weight of a slot: 1 for the meta expert. */
  public float weight(long slot) {
    boolean meta = shape.meta() && slot % shape.choices() == shape.topK();
    return meta ? 1 : inputs().get("weights").at(slot);
  }
}
