package dev.theriac.llm;

import dev.theriac.nn.Module;
import dev.theriac.nn.TokenMask;
import dev.theriac.tensor.Tensor;

/** The feed-forward slot of a block: dense, or a mixture of experts. */
public abstract class FeedForward extends Module {
  /**
   * What a feed-forward returns beside its output, such as a router's decisions and losses;
   * returned to whoever runs the decoder, never kept in the layer.
   */
  public interface SideOutput {}

  /**
   * @param value [B, T, dim]
   * @param side null for a dense layer
   */
  public record Output(Tensor value, SideOutput side) {}

  /**
   * What a feed-forward is given for one call beside its input, such as a routing to repeat; the
   * counterpart of {@link SideOutput}.
   */
  public interface SideInput {}

  /** {@code u} is the normalised input, [B, T, dim]. */
  public abstract Output forward(Tensor u);

  /**
   * The same with something beside the input.
   *
   * @param side null for nothing
   * @throws IllegalArgumentException when this feed-forward has no use for {@code side}
   */
  public Output forward(Tensor u, SideInput side) {
    if (side == null) return forward(u);
    throw new IllegalArgumentException(
        "feed-forward: a %s takes no %s; give null to dense layers"
            .formatted(getClass().getSimpleName(), side.getClass().getSimpleName()));
  }

  /** {@link #forward(Tensor,TokenMask,SideInput)} with nothing beside the input. */
  public final Output forward(Tensor u, TokenMask mask) {
    return forward(u, mask, null);
  }

  /**
   * The same for rows of which some are filled up. A dense feed-forward treats all positions alike;
   * a mixture of experts leaves filling out of its router's losses and counts.
   *
   * @param mask which positions of u hold a token; null for all
   * @param side null for nothing
   */
  public Output forward(Tensor u, TokenMask mask, SideInput side) {
    return forward(u, side);
  }
}
