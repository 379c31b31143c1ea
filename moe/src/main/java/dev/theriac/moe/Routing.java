package dev.theriac.moe;

import dev.theriac.tensor.Tensor;

/**
 * A router's decisions for T tokens.
 *
 * @param logits F32 [T, E]
 * @param probabilities F32 [T, E], softmax of the logits
 * @param experts I64 [T, k], by falling probability; equal logits go to the lower id, NaN last
 * @param weights F32 [T, k], what each chosen expert's output is multiplied by
 * @param auxiliaryLoss rank 0: {@link Losses#loadBalance}, to be added to the loss or not
 */
public record Routing(
    Tensor logits, Tensor probabilities, Tensor experts, Tensor weights, Tensor auxiliaryLoss) {
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
