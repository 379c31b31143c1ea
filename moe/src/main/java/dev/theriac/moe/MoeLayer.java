package dev.theriac.moe;

import dev.theriac.backend.UnaryKind;
import dev.theriac.llm.DenseFeedForward;
import dev.theriac.llm.FeedForward;
import dev.theriac.nn.TokenMask;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A mixture of experts in a decoder's feed-forward slot: y = sum over the chosen experts of weight
 * * Expert(u), joined with the output of a {@link SharedExpert} when there is one. Dropless unless
 * a {@link #capacity} is set; the sum runs by ascending expert.
 *
 * <p>The first time that tokens come whose router decides nothing ({@link Routing#unusable}), a
 * warning says so through {@link System.Logger}; {@link Side#unusable} names them every time.
 */
public final class MoeLayer extends FeedForward {
  private final Router router;
  private final Experts experts;
  private final SharedExpert shared;
  private final AtomicBoolean warned = new AtomicBoolean();
  private Capacity capacity;
  private CapacityUse capacityUse = CapacityUse.TRAINING;

  /**
   * @param shared what every token passes too, or null
   */
  public MoeLayer(Router router, Experts experts, SharedExpert shared) {
    if (router.experts() != experts.count()) {
      throw new IllegalArgumentException(
          "moe: the router knows %d experts, there are %d"
              .formatted(router.experts(), experts.count()));
    }
    this.router = part("gate", router);
    this.experts = part("experts", experts);
    this.shared = shared;
    if (shared != null) shared.parts().forEach(this::part);
  }

  /**
   * Makes experts out of a dense feed-forward (Komatsuzaki et al., "Sparse upcycling"): each starts
   * as a copy of it, and it becomes the meta expert itself. At that moment y = (1 + p) FFN(u) for k
   * = 1.
   *
   * @param dense a {@link DenseFeedForward}, whose activation the experts get too
   * @param router copied, so that each layer has its own
   * @throws IllegalArgumentException for another feed-forward, whose activation is not known
   */
  public static MoeLayer upcycle(FeedForward dense, Router router, boolean withMeta) {
    if (dense instanceof DenseFeedForward known) {
      return upcycle(dense, known.activation(), router, withMeta);
    }
    throw new IllegalArgumentException(
        "upcycle: the activation of a %s is not known; pass it as an argument"
            .formatted(dense.getClass().getSimpleName()));
  }

  /**
   * The same for any feed-forward with the parameters of {@link Experts}.
   *
   * @param activation GELU (erf), GELU_TANH, SILU or RELU, as {@code dense} applies it
   */
  public static MoeLayer upcycle(
      FeedForward dense, UnaryKind activation, Router router, boolean withMeta) {
    Map<String, Tensor> weights = new LinkedHashMap<>();
    dense.parameters().forEach((path, p) -> weights.put(path, p.value()));
    List<Map<String, Tensor>> copies = new ArrayList<>();
    for (int e = 0; e < router.experts(); e++) copies.add(weights);
    return new MoeLayer(
        router.copy(),
        new Experts(copies, activation),
        withMeta ? new SharedExpert.Meta(dense) : null);
  }

  public Router router() {
    return router;
  }

  public Experts experts() {
    return experts;
  }

  /** What every token passes beside its experts, or null. */
  public SharedExpert shared() {
    return shared;
  }

  /** When a capacity applies. */
  public enum CapacityUse {
    /** While {@link MoeLayer#isTraining() training}; evaluation and generation are dropless. */
    TRAINING,
    /**
     * Always. A row's output then depends on the rest of its batch, and generating token by token
     * from a cache drops other choices than one pass over all tokens does.
     */
    ALWAYS
  }

  /**
   * Bounds the tokens of each expert in training; null, the default, drops none. A dropped choice
   * adds nothing and passes no gradient; {@link Side#dispatch} reports it. Which choices are
   * dropped depends on all tokens of the batch.
   *
   * @return this
   */
  public MoeLayer capacity(Capacity newCapacity) {
    return capacity(newCapacity, CapacityUse.TRAINING);
  }

  /**
   * The same, in evaluation too if {@code use} says so.
   *
   * @return this
   */
  public MoeLayer capacity(Capacity newCapacity, CapacityUse use) {
    capacity = newCapacity;
    capacityUse = Objects.requireNonNull(use, "use");
    return this;
  }

  /**
   * What a MoE layer returns beside its output.
   *
   * @param dispatch what of the routing was carried out
   */
  public record Side(Routing routing, Dispatch dispatch) implements SideOutput {
    /** The tokens that the router could not decide about; see {@link Routing#unusable}. */
    public long[] unusable() {
      return routing.unusable();
    }
  }

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
    Unusable.warnOnce(warned, routing.unusable(), routing.tokens());
    Dispatch dispatch =
        capacity != null && (isTraining() || capacityUse == CapacityUse.ALWAYS)
            ? Dispatch.of(routing, capacity)
            : Dispatch.dropless(routing);
    // The weights stay F32 beside half tokens: the sum over experts is rounded once, at its end.
    Tensor y = experts.forward(tokens, routing.weights(), dispatch.groups());
    if (shared != null) y = shared.join(tokens, y);
    return new Output(y.reshape(u.shape()), new Side(routing, dispatch));
  }
}
