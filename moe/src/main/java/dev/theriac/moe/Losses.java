package dev.theriac.moe;

import dev.theriac.nn.TokenMask;
import dev.theriac.op.Index;
import dev.theriac.tensor.Tensor;

/**
 * Auxiliary losses of routers, returned as tensors and kept nowhere. Filling does not count: rows
 * that a mask leaves out are taken out before anything is summed, so that appending them changes no
 * bit. No tokens at all give 0 with zero gradient.
 */
public final class Losses {
  private Losses() {}

  /**
   * Load balance by first choices (Lepikhin et al. 2020, GShard; Fedus et al. 2021, Switch): E *
   * sum over experts of the mean probability times the share of tokens whose first choice it is. 1
   * when perfectly even. The gradient flows through the probabilities.
   *
   * @param probabilities [T, E]
   * @param experts I64 [T, k]; the first column counts
   * @param mask which tokens count; null for all
   */
  public static Tensor firstChoiceLoadBalance(
      Tensor probabilities, Tensor experts, TokenMask mask) {
    Tensor first = counted(experts.slice(1, 0, 1), mask);
    Tensor p = counted(probabilities, mask);
    long tokens = p.size(0);
    long count = p.size(1);
    if (tokens == 0) return Tensor.scalar(0);
    Tensor share = Index.scatterColumns(Tensor.ones(tokens, 1), first, count).mean(0, false);
    return p.mean(0, false).mul(share).sum().mul(count);
  }

  /** The rows of t [T, ...] that count. */
  static Tensor counted(Tensor t, TokenMask mask) {
    if (mask == null || mask.isAll()) return t;
    return Index.gatherRows(t, Tensor.of(mask.positions(), mask.count()));
  }
}
