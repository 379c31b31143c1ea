package dev.theriac.llm;

import dev.theriac.nn.Module;
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

  /** {@code u} is the normalised input, [B, T, dim]. */
  public abstract Output forward(Tensor u);
}
