package dev.theriac.moe;

import dev.theriac.nn.TokenMask;
import dev.theriac.tensor.Tensor;

/** A router's decisions for T tokens. Losses are computed when they are asked for. */
public final class Routing {
  private final Tensor logits;
  private final Tensor probabilities;
  private final Tensor experts;
  private final Tensor weights;
  private final TokenMask mask;

  Routing(Tensor logits, Tensor probabilities, Tensor experts, Tensor weights, TokenMask mask) {
    if (mask != null && mask.size() != experts.size(0)) {
      throw new IllegalArgumentException(
          "routing: a mask of %d x %d positions for %d tokens"
              .formatted(mask.batch(), mask.length(), experts.size(0)));
    }
    this.logits = logits;
    this.probabilities = probabilities;
    this.experts = experts;
    this.weights = weights;
    this.mask = mask;
  }

  /** F32 [T, E]. */
  public Tensor logits() {
    return logits;
  }

  /** F32 [T, E], softmax of the logits. */
  public Tensor probabilities() {
    return probabilities;
  }

  /** I64 [T, k], by falling probability; equal logits go to the lower id, NaN last. */
  public Tensor experts() {
    return experts;
  }

  /** F32 [T, k], what each chosen expert's output is multiplied by. */
  public Tensor weights() {
    return weights;
  }

  /** Which of the T tokens are no filling; null for all. */
  public TokenMask mask() {
    return mask;
  }

  /** Rank 0: {@link Losses#firstChoiceLoadBalance}, to be added to the loss or not. */
  public Tensor auxiliaryLoss() {
    return Losses.firstChoiceLoadBalance(probabilities, experts, mask);
  }

  public int tokens() {
    return Math.toIntExact(experts.size(0));
  }

  public int expertCount() {
    return Math.toIntExact(logits.size(1));
  }

  public int topK() {
    return Math.toIntExact(experts.size(1));
  }
}
