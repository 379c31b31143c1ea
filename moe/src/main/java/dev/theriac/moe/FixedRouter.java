package dev.theriac.moe;

import dev.theriac.op.Selection;
import dev.theriac.op.Selection.Groups;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/**
 * Experts that do not depend on the tokens: the distributions under which dispatch is measured, and
 * recorded ones. Ids of a token are always distinct. A random one is a function of its seed and the
 * number of tokens, so that each call gives the same. Thread-safe.
 */
public final class FixedRouter {
  private interface Choice {
    Tensor of(int tokens, int experts, int topK);
  }

  private final String name;
  private final Choice choice;

  private FixedRouter(String name, Choice choice) {
    this.name = name;
    this.choice = choice;
  }

  /** One expert after the other: as even as can be. */
  public static FixedRouter roundRobin() {
    return new FixedRouter("round robin", (t, e, k) -> filled(t, k, (i, j) -> (i * k + j) % e));
  }

  /** Every set of k experts alike. */
  public static FixedRouter uniform(long seed) {
    return new FixedRouter("uniform", (t, e, k) -> gumbel(seed, t, e, k, 0));
  }

  /**
   * Expert e with a weight of (e + 1)^-exponent, k drawn without replacement (Gumbel top-k, Kool et
   * al. 2019).
   */
  public static FixedRouter zipf(double exponent, long seed) {
    return new FixedRouter("zipf " + exponent, (t, e, k) -> gumbel(seed, t, e, k, exponent));
  }

  /** Every token to the experts 0 to k - 1. */
  public static FixedRouter allToOne() {
    return new FixedRouter("all to one", (t, _, k) -> filled(t, k, (_, j) -> j));
  }

  /** Uniform over the first half of the experts (k of them at least); the others get nothing. */
  public static FixedRouter halfEmpty(long seed) {
    return new FixedRouter(
        "half empty", (t, e, k) -> gumbel(seed, t, Math.max(k, (e + 1) / 2), k, 0));
  }

  /**
   * What was chosen before.
   *
   * @param experts I64 [T, k]
   */
  public static FixedRouter recorded(Tensor experts) {
    long[] ids = experts.toLongs();
    long[] shape = experts.shape();
    return new FixedRouter(
        "recorded",
        (t, e, k) -> {
          if (shape.length != 2 || shape[0] != t || shape[1] != k) {
            throw new IllegalArgumentException(
                "fixed router: recorded experts of shape %s for %d tokens and k = %d"
                    .formatted(experts.layout(), t, k));
          }
          return Tensor.of(ids, shape);
        });
  }

  /**
   * The experts of T tokens.
   *
   * @return I64 [T, k]
   */
  public Tensor choose(long tokens, int experts, int topK) {
    if (topK < 1 || topK > experts) {
      throw new IllegalArgumentException(
          "fixed router: top-k %d of %d experts".formatted(topK, experts));
    }
    return choice.of(Math.toIntExact(tokens), experts, topK);
  }

  @Override
  public String toString() {
    return name;
  }

  private interface Id {
    long at(int token, int choice);
  }

  private static Tensor filled(int tokens, int topK, Id id) {
    long[] ids = new long[Math.multiplyExact(tokens, topK)];
    for (int i = 0; i < ids.length; i++) ids[i] = id.at(i / topK, i % topK);
    return Tensor.of(ids, tokens, topK);
  }

  /** The k highest of log-weights with Gumbel noise, among the first {@code used} experts. */
  private static Tensor gumbel(long seed, int tokens, int used, int topK, double exponent) {
    Rng rng = new Rng(seed);
    float[] scores = new float[Math.multiplyExact(tokens, used)];
    for (int i = 0; i < scores.length; i++) {
      double u = ((rng.nextInt() >>> 8) + 0.5) * 0x1p-24;
      double weight = -exponent * StrictMath.log(i % used + 1);
      scores[i] = (float) (weight - StrictMath.log(-StrictMath.log(u)));
    }
    Tensor drawn = Tensor.of(scores, tokens, used);
    Tensor ids = Selection.topK(drawn, topK, Groups.NONE);
    drawn.close();
    return ids;
  }
}
