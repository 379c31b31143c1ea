package dev.theriac.moe.lm;

import dev.theriac.backend.UnaryKind;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.DenseFeedForward;
import dev.theriac.moe.Experts;
import dev.theriac.moe.MoeLayer;
import dev.theriac.moe.Router;
import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.RouterConfig;
import dev.theriac.moe.RouterConfig.GroupScore;
import dev.theriac.moe.RouterConfig.Scoring;
import dev.theriac.moe.SharedExpert;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;

/**
 * The feed-forward blocks of DeepSeek-V2 and V3: fine-grained SwiGLU experts and shared ones. Not
 * thread-safe.
 *
 * <pre>{@code
 * MoeLayer layer =
 *     DeepSeekBlock.v3(7168, 2048).experts(256, 8).shared(1).groups(8, 4).scale(2.5)
 *         .build(new Rng(1), 0.02);
 * }</pre>
 */
public final class DeepSeekBlock {
  private final boolean third;
  private final int dim;
  private final int width;
  private int experts;
  private int topK;
  private int shared;
  private int groups = 1;
  private int keptGroups = 1;
  private double scale = 1;

  private DeepSeekBlock(boolean third, int dim, int width) {
    this.third = third;
    this.dim = dim;
    this.width = width;
  }

  /**
   * DeepSeek-V2 (2024): softmax scores, choice limited to the groups with the best expert, weights
   * not renormalised.
   *
   * @param dim width of the model
   * @param width width inside an expert
   */
  public static DeepSeekBlock v2(int dim, int width) {
    return new DeepSeekBlock(false, dim, width);
  }

  /**
   * DeepSeek-V3 (2024): sigmoid scores, a correction bias that decides the choice alone, groups
   * ranked by the sum of their two best, weights renormalised. With one expert for each token that
   * weight is always {@link #scale} and the router has no gradient, of which a warning is logged.
   *
   * @param dim width of the model
   * @param width width inside an expert
   */
  public static DeepSeekBlock v3(int dim, int width) {
    return new DeepSeekBlock(true, dim, width);
  }

  /**
   * Must be said.
   *
   * @param count routed experts E
   * @param each experts k that a token passes
   */
  public DeepSeekBlock experts(int count, int each) {
    experts = count;
    topK = each;
    return this;
  }

  /** Experts that every token passes; 0. */
  public DeepSeekBlock shared(int count) {
    shared = count;
    return this;
  }

  /**
   * Limits the choice; 1 of 1, which is no limit.
   *
   * @param count number of equal groups
   * @param kept groups that a token may choose from
   */
  public DeepSeekBlock groups(int count, int kept) {
    groups = count;
    keptGroups = kept;
    return this;
  }

  /** Multiplies the weights (routed_scaling_factor); 1. */
  public DeepSeekBlock scale(double factor) {
    scale = factor;
    return this;
  }

  /**
   * A layer with fresh weights.
   *
   * @param std standard deviation of the experts' weights
   * @throws IllegalArgumentException naming the numbers that do not fit together
   */
  public MoeLayer build(Rng rng, double std) {
    if (experts < 1 || width < 1 || shared < 0) {
      throw new IllegalArgumentException(
          "DeepSeek block: %d experts of width %d and %d shared ones; say experts(count, each)"
              .formatted(experts, width, shared));
    }
    RouterConfig.Builder router = RouterConfig.builder(dim, experts, topK).scale(scale);
    if (third) {
      router.scoring(Scoring.SIGMOID).weighting(Weighting.RENORMALISED).correctionBias(true);
      if (topK == 1) {
        router.allowSingleRenormalised();
        SingleRenormalised.warn("DeepSeek-V3 block");
      }
    }
    if (groups > 1) {
      router.groups(groups, keptGroups, third ? GroupScore.TOP_TWO : GroupScore.MAX);
    }
    var shape = new Experts.Shape(experts, dim, width, true, false, UnaryKind.SILU);
    SharedExpert always =
        shared == 0
            ? null
            : new SharedExpert.Added(
                new DenseFeedForward(Family.LLAMA, dim, (long) shared * width, rng, std));
    return new MoeLayer(
        new Router(router.build(), rng), Experts.fresh(shape, DType.F32, rng, std), always);
  }
}
