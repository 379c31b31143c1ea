package dev.theriac.moe;

import dev.theriac.llm.FeedForward;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.Index;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A mixture of experts in a decoder's feed-forward slot (Med-MoE, equation 4): y = sum over the
 * chosen experts of weight * Expert(u), + Meta(u) when there is a meta expert, which every token
 * passes with weight 1. Dropless; the sum over choices has a fixed order.
 */
public final class MoeLayer extends FeedForward {
  private final Router router;
  private final Experts experts;
  private final FeedForward meta;

  /**
   * @param meta always-active expert, or null
   */
  public MoeLayer(Router router, Experts experts, FeedForward meta) {
    if (router.experts() != experts.count()) {
      throw new IllegalArgumentException(
          "moe: the router knows %d experts, there are %d"
              .formatted(router.experts(), experts.count()));
    }
    this.router = part("gate", router);
    this.experts = part("experts", experts);
    this.meta = meta == null ? null : part("meta_moe", meta);
  }

  /**
   * Makes experts out of a dense feed-forward (Komatsuzaki et al., "Sparse upcycling"): each starts
   * as a copy of it, and it becomes the meta expert itself. At that moment y = (1 + p) FFN(u) for k
   * = 1.
   *
   * @param router copied, so that each layer has its own
   */
  public static MoeLayer upcycle(FeedForward dense, Router router, boolean withMeta) {
    Map<String, Tensor> weights = new LinkedHashMap<>();
    dense.parameters().forEach((path, p) -> weights.put(path, p.value()));
    List<Map<String, Tensor>> copies = new ArrayList<>();
    for (int e = 0; e < router.experts(); e++) copies.add(weights);
    return new MoeLayer(router.copy(), new Experts(copies), withMeta ? dense : null);
  }

  public Router router() {
    return router;
  }

  public Experts experts() {
    return experts;
  }

  /** The always-active expert, or null. */
  public FeedForward meta() {
    return meta;
  }

  /** What a MoE layer returns beside its output. */
  public record Side(Routing routing) implements SideOutput {}

  /**
   * Experts to pass instead of those that the router would choose; their weights and the losses are
   * computed anew from the router's logits, and gradients flow through them.
   *
   * @param experts I64 [B * T, k]
   */
  public record Replay(Tensor experts) implements SideInput {}

  @Override
  public Output forward(Tensor u) {
    return forward(u, null, null);
  }

  @Override
  public Output forward(Tensor u, SideInput side) {
    return forward(u, null, side);
  }

  @Override
  public Output forward(Tensor u, TokenMask mask, SideInput side) {
    long dim = u.size(-1);
    Tensor tokens = u.reshape(u.size() / dim, dim);
    Routing routing =
        switch (side) {
          case null -> router.route(tokens, mask);
          case Replay replay -> router.replay(tokens, replay.experts(), mask);
          default ->
              throw new IllegalArgumentException(
                  "moe: a layer takes no %s".formatted(side.getClass().getSimpleName()));
        };
    Tensor y = weightedSum(tokens, routing).to(u.dtype());
    if (meta != null) y = y.add(meta.forward(tokens).value());
    return new Output(y.reshape(u.shape()), new Side(routing));
  }

  private Tensor weightedSum(Tensor tokens, Routing routing) {
    Dispatch dispatch = Dispatch.of(routing.experts(), experts.count());
    Tensor rows = Index.gatherRows(tokens, dispatch.rowToken());
    Tensor out = experts.forward(rows, dispatch.offsets());
    Tensor chosen = Index.gatherRows(out, dispatch.slotRow());
    Tensor weights = routing.weights().to(tokens.dtype());
    if (routing.topK() == 1) return chosen.mul(weights);
    long count = tokens.size(0);
    return chosen
        .reshape(count, routing.topK(), tokens.size(1))
        .mul(weights.unsqueeze(2))
        .sum(1, false);
  }
}
