package dev.theriac.moe;

import dev.theriac.op.Selection.Groups;

/**
 * What a token-choice {@link Router} does. From logits come scores (softmax or sigmoid), from
 * scores the choice of k experts, from the chosen ones their weights.
 *
 * @param dim width of a token
 * @param experts E
 * @param topK k experts for each token, 1 to E
 * @param scoring how logits become scores
 * @param weighting what the chosen experts' outputs are multiplied by
 * @param scale multiplies every weight (DeepSeek-V2's and V3's routed_scaling_factor); 1
 * @param bias whether logits have a bias, W u + b
 * @param groups limits the choice to the best groups of experts
 * @param correctionBias whether a bias, kept by {@link CorrectionBias} and without gradient, is
 *     added to the scores for the choice alone (Wang et al. 2024, auxiliary-loss-free balancing)
 * @param jitter while training, the router's input is multiplied by uniform noise in [1 - jitter, 1
 *     + jitter) (Fedus et al. 2021, Switch); 0
 * @param noise while training, added to the logits before choice and weights
 * @param cosine logits from cosines instead of products (Chi et al. 2022, X-MoE), or null
 * @param singleRenormalised allows k = 1 with renormalised weights, which are always 1
 */
public record RouterConfig(
    int dim,
    int experts,
    int topK,
    Scoring scoring,
    Router.Weighting weighting,
    double scale,
    boolean bias,
    Groups groups,
    boolean correctionBias,
    double jitter,
    Noise noise,
    Cosine cosine,
    boolean singleRenormalised) {

  /** How logits become scores. */
  public enum Scoring {
    /** Softmax over all experts. */
    SOFTMAX,
    /** A sigmoid for each expert (DeepSeek-V3). */
    SIGMOID
  }

  /** How a group of experts is ranked, by the scores that decide the choice. */
  public enum GroupScore {
    /** Its highest score (DeepSeek-V2). */
    MAX,
    /** The sum of its two highest scores (DeepSeek-V3). */
    TOP_TWO
  }

  /** Normal noise on logits, while training only. */
  public sealed interface Noise {
    Noise NONE = new Constant(0);

    /** Of one standard deviation; 1/E in Tutel. */
    record Constant(double std) implements Noise {}

    /**
     * Of standard deviation softplus(W_noise u) + {@link #EPSILON}, learned, W_noise from 0
     * (Shazeer et al. 2017, equation 4; the floor is noise_epsilon of the authors' code).
     */
    record Learned() implements Noise {
      /** What the standard deviation cannot fall below, so that the load can divide by it. */
      public static final double EPSILON = 1e-2;
    }
  }

  /**
   * Logit e is the cosine of the projected token and expert e's vector, divided by a temperature
   * that is learned and kept at 0.01 or above.
   *
   * @param dim width that both have
   * @param temperature to start from; 0.5 in Tutel
   */
  public record Cosine(int dim, double temperature) {}

  /**
   * @throws IllegalArgumentException naming the values that do not fit together
   */
  public RouterConfig {
    check(dim >= 1 && experts >= 1, "%d experts for tokens of width %d", experts, dim);
    check(topK >= 1 && topK <= experts, "top-k %d of %d experts", topK, experts);
    check(scale > 0 && Double.isFinite(scale), "scale %s; give a positive number", scale);
    check(jitter >= 0 && jitter < 1, "jitter %s is not in [0, 1)", jitter);
    if (noise instanceof Noise.Constant c) {
      check(c.std >= 0 && Double.isFinite(c.std), "noise of standard deviation %s", c.std);
    }
    if (cosine != null) {
      check(
          cosine.dim >= 1 && cosine.temperature >= 0.01,
          "cosines of width %d with temperature %s; at least 1 and 0.01 are wanted",
          cosine.dim,
          cosine.temperature);
    }
    groups.check(experts, topK);
    if (topK == 1 && weighting == Router.Weighting.RENORMALISED && !singleRenormalised) {
      throw new IllegalArgumentException(
          "router: a single renormalised weight is always 1 and gives the router no gradient; use"
              + " PROBABILITY for k = 1, or allow it by allowSingleRenormalised()");
    }
  }

  private static void check(boolean condition, String message, Object... args) {
    if (!condition) throw new IllegalArgumentException("router: " + message.formatted(args));
  }

  /** Softmax over all experts, weights as they are, no bias; the rest as in {@link Builder}. */
  public static Builder builder(int dim, int experts, int topK) {
    return new Builder(dim, experts, topK);
  }

  /** The same with another number of experts chosen, weighted in another way. */
  public RouterConfig with(int newTopK, Router.Weighting newWeighting) {
    return new RouterConfig(
        dim,
        experts,
        newTopK,
        scoring,
        newWeighting,
        scale,
        bias,
        groups,
        correctionBias,
        jitter,
        noise,
        cosine,
        singleRenormalised);
  }

  /** Makes a configuration; what is not said stays off. */
  public static final class Builder {
    private final int dim;
    private final int experts;
    private final int topK;
    private Scoring scoring = Scoring.SOFTMAX;
    private Router.Weighting weighting = Router.Weighting.PROBABILITY;
    private double scale = 1;
    private boolean bias;
    private Groups groups = Groups.NONE;
    private boolean correctionBias;
    private double jitter;
    private Noise noise = Noise.NONE;
    private Cosine cosine;
    private boolean singleRenormalised;

    private Builder(int dim, int experts, int topK) {
      this.dim = dim;
      this.experts = experts;
      this.topK = topK;
    }

    public Builder scoring(Scoring value) {
      scoring = value;
      return this;
    }

    public Builder weighting(Router.Weighting value) {
      weighting = value;
      return this;
    }

    public Builder scale(double value) {
      scale = value;
      return this;
    }

    /** Logits get a bias. */
    public Builder bias(boolean value) {
      bias = value;
      return this;
    }

    /** Chooses from the {@code kept} best of {@code count} equal groups. */
    public Builder groups(int count, int kept, GroupScore score) {
      groups = new Groups(count, kept, score == GroupScore.MAX ? 1 : 2);
      return this;
    }

    /** Adds a bias to the scores for the choice alone. */
    public Builder correctionBias(boolean value) {
      correctionBias = value;
      return this;
    }

    public Builder jitter(double value) {
      jitter = value;
      return this;
    }

    public Builder noise(Noise value) {
      noise = value;
      return this;
    }

    /** Logits from cosines; see {@link Cosine}. */
    public Builder cosine(int width, double temperature) {
      cosine = new Cosine(width, temperature);
      return this;
    }

    /** Allows k = 1 with a weight that is always 1 and a router without gradient. */
    public Builder allowSingleRenormalised() {
      singleRenormalised = true;
      return this;
    }

    public RouterConfig build() {
      return new RouterConfig(
          dim,
          experts,
          topK,
          scoring,
          weighting,
          scale,
          bias,
          groups,
          correctionBias,
          jitter,
          noise,
          cosine,
          singleRenormalised);
    }
  }
}
