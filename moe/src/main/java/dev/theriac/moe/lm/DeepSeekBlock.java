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

/** The feed-forward blocks of DeepSeek-V2 and V3: fine-grained SwiGLU experts and shared ones. */
public final class DeepSeekBlock {
  private DeepSeekBlock() {}

  /**
   * DeepSeek-V2 (2024): softmax scores, choice limited to the groups with the best expert, weights
   * not renormalised.
   *
   * @param dim width of the model
   * @param width width inside an expert
   * @param experts routed experts E
   * @param topK experts that a token passes
   * @param shared experts that every token passes
   * @param groups number of equal groups; 1 for an unlimited choice
   * @param keptGroups groups that a token may choose from
   * @param scale multiplies the weights (routed_scaling_factor)
   * @param std standard deviation of fresh weights
   */
  public static MoeLayer v2(
      int dim,
      int width,
      int experts,
      int topK,
      int shared,
      int groups,
      int keptGroups,
      double scale,
      Rng rng,
      double std) {
    RouterConfig.Builder router = RouterConfig.builder(dim, experts, topK).scale(scale);
    if (groups > 1) router.groups(groups, keptGroups, GroupScore.MAX);
    return block(router.build(), width, shared, rng, std);
  }

  /**
   * DeepSeek-V3 (2024): sigmoid scores, a correction bias that decides the choice alone, groups
   * ranked by the sum of their two best, weights renormalised. Parameters as in {@link #v2}.
   */
  public static MoeLayer v3(
      int dim,
      int width,
      int experts,
      int topK,
      int shared,
      int groups,
      int keptGroups,
      double scale,
      Rng rng,
      double std) {
    RouterConfig.Builder router =
        RouterConfig.builder(dim, experts, topK)
            .scoring(Scoring.SIGMOID)
            .weighting(Weighting.RENORMALISED)
            .correctionBias(true)
            .scale(scale);
    if (groups > 1) router.groups(groups, keptGroups, GroupScore.TOP_TWO);
    return block(router.build(), width, shared, rng, std);
  }

  private static MoeLayer block(RouterConfig router, int width, int shared, Rng rng, double std) {
    int dim = router.dim();
    var shape = new Experts.Shape(router.experts(), dim, width, true, false, UnaryKind.SILU);
    SharedExpert always =
        shared == 0
            ? null
            : new SharedExpert.Added(
                new DenseFeedForward(Family.LLAMA, dim, (long) shared * width, rng, std));
    return new MoeLayer(new Router(router, rng), Experts.fresh(shape, DType.F32, rng, std), always);
  }
}
