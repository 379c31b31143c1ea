package dev.theriac.moe;

import dev.theriac.op.Index;
import dev.theriac.tensor.Tensor;

/** Auxiliary losses of routers, returned as tensors and kept nowhere. */
public final class Losses {
  private Losses() {}

  /**
   * Load balance (Shazeer et al. 2017; GShard's form): E * sum over experts of the mean probability
   * times the share of tokens whose first choice it is. 1 when perfectly even. The gradient flows
   * through the probabilities.
   *
   * @param probabilities [T, E]
   * @param experts I64 [T, k]; the first column counts
   */
  public static Tensor loadBalance(Tensor probabilities, Tensor experts) {
    long tokens = probabilities.size(0);
    long count = probabilities.size(1);
    if (tokens == 0) return Tensor.scalar(0);
    Tensor first = experts.slice(1, 0, 1);
    Tensor share = Index.scatterColumns(Tensor.ones(tokens, 1), first, count).mean(0, false);
    return probabilities.mean(0, false).mul(share).sum().mul(count);
  }
}
