package dev.theriac.moe;

import dev.theriac.llm.FeedForward;
import dev.theriac.nn.TokenMask;
import dev.theriac.tensor.Tensor;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A mixture in which {@linkplain ExpertChoice experts choose tokens}: y = sum over the experts that
 * took a token of score * Expert(u), by ascending expert, joined with the output of a {@link
 * SharedExpert} when there is one. Without one, a token that no expert took gives 0.
 *
 * <p>All tokens of the batch compete for the places, so a row's output depends on the rest of its
 * batch; {@link ExpertChoice} has been told that the model is not causal. A warning says once when
 * tokens come whose scores mean nothing. Forward passes of several threads are safe.
 */
public final class ExpertChoiceLayer extends FeedForward {
  private final ExpertChoice router;
  private final Experts experts;
  private final SharedExpert shared;
  private final AtomicBoolean warned = new AtomicBoolean();

  /**
   * @param shared what every token passes too, or null
   * @throws IllegalArgumentException when router and experts differ in number
   */
  public ExpertChoiceLayer(ExpertChoice router, Experts experts, SharedExpert shared) {
    if (router.experts() != experts.count()) {
      throw new IllegalArgumentException(
          "moe: the router knows %d experts, there are %d; build both with one number"
              .formatted(router.experts(), experts.count()));
    }
    this.router = part("gate", router);
    this.experts = part("experts", experts);
    this.shared = shared;
    if (shared != null) shared.parts().forEach(this::part);
  }

  public ExpertChoice router() {
    return router;
  }

  public Experts experts() {
    return experts;
  }

  /** What every token passes beside its experts, or null. */
  public SharedExpert shared() {
    return shared;
  }

  /** What the layer returns beside its output. */
  public record Side(ExpertChoice.Choice choice) implements SideOutput {
    /** The tokens whose scores mean nothing; see {@link ExpertChoice.Choice#unusable}. */
    public long[] unusable() {
      return choice.unusable();
    }
  }

  @Override
  public Output forward(Tensor u) {
    return forward(u, null, null);
  }

  /**
   * @param u [B, T, dim], or tokens [T, dim]
   * @param mask which positions hold a token; null for all. Filling is never chosen
   * @param side null: this layer takes nothing
   */
  @Override
  public Output forward(Tensor u, TokenMask mask, SideInput side) {
    if (side != null) return forward(u, side);
    long dim = u.size(-1);
    Tensor tokens = u.reshape(u.size() / dim, dim);
    ExpertChoice.Choice choice = router.route(tokens, mask);
    Unusable.warnOnce(warned, choice.unusable(), Math.toIntExact(tokens.size(0)));
    Tensor y = experts.forward(tokens, choice.weights(), choice.groups());
    if (shared != null) y = shared.join(tokens, y);
    return new Output(y.reshape(u.shape()), new Side(choice));
  }
}
