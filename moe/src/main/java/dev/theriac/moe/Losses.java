package dev.theriac.moe;

import dev.theriac.nn.TokenMask;
import dev.theriac.op.Index;
import dev.theriac.op.Softmax;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;

/**
 * Auxiliary losses of routers, returned as tensors of rank 0 and kept nowhere; coefficients are the
 * caller's. Filling does not count: rows that a mask leaves out are taken out before anything is
 * summed, so that appending them changes no bit. No tokens at all give 0 with zero gradient. Counts
 * are what the router chose, before anything is dropped, and constants to the gradient.
 */
public final class Losses {
  /** Keeps cv^2 finite where all weights vanish (Shazeer et al. 2017). */
  private static final double TINY = 1e-10;

  /** The load divides by no standard deviation below this one. */
  private static final float LEAST_STD = 1e-6f;

  private Losses() {}

  /** Choices of each expert [E], filling left out. */
  public static long[] counts(Routing routing) {
    long[] ids = routing.experts().toLongs();
    int topK = routing.topK();
    long[] counts = new long[routing.expertCount()];
    for (int s = 0; s < ids.length; s++) {
      if (routing.mask() == null || routing.mask().isValid(s / topK)) counts[(int) ids[s]]++;
    }
    return counts;
  }

  /**
   * Load balance by all choices (Switch, generalised to k): E / (k M^2) * sum over experts of count
   * times summed probability; M tokens count. 1 when perfectly even. Sigmoid scores are divided by
   * their sum first.
   */
  public static Tensor loadBalance(Routing routing) {
    Tensor p = counted(routing.probabilities(), routing.mask());
    if (p.size(0) == 0) return nothing(p);
    return balance(p, counts(routing), routing.topK());
  }

  /**
   * The same for each sequence alone, then the mean over sequences that have tokens (DeepSeek-AI
   * 2024, DeepSeek-V3, equations 17 to 20).
   *
   * @throws IllegalArgumentException when the routing has no mask, which tells sequences apart
   */
  public static Tensor sequenceLoadBalance(Routing routing) {
    TokenMask mask = routing.mask();
    if (mask == null) {
      throw new IllegalArgumentException(
          "losses: sequenceLoadBalance needs the batch's shape; route with"
              + " TokenMask.all(batch, length) or the mask that there is");
    }
    Tensor p = counted(routing.probabilities(), mask);
    if (p.size(0) == 0) return nothing(p);
    long[] chosen = counted(routing.experts(), mask).toLongs();
    int topK = routing.topK();
    long[] positions = mask.positions();
    Tensor sum = null;
    int sequences = 0;
    for (int from = 0, to; from < positions.length; from = to) {
      long row = positions[from] / mask.length();
      for (to = from; to < positions.length && positions[to] / mask.length() == row; to++) {}
      long[] counts = new long[routing.expertCount()];
      for (int s = from * topK; s < to * topK; s++) counts[(int) chosen[s]]++;
      Tensor one = balance(p.slice(0, from, to), counts, topK);
      sum = sum == null ? one : sum.add(one);
      sequences++;
    }
    return sequences == 1 ? sum : sum.mul(1.0 / sequences);
  }

  /** p [M, E]. */
  private static Tensor balance(Tensor p, long[] counts, int topK) {
    double tokens = p.size(0);
    float[] factors = new float[counts.length];
    for (int e = 0; e < factors.length; e++) {
      factors[e] = (float) (counts[e] * (double) counts.length / (topK * tokens * tokens));
    }
    return p.sum(0, false).mul(Tensor.of(p.device(), factors)).sum();
  }

  /**
   * Load balance by first choices alone (Lepikhin et al. 2020, GShard): E * sum over experts of the
   * mean probability times the share of tokens whose first choice it is. 1 when perfectly even. The
   * gradient flows through the probabilities.
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
    if (tokens == 0) return nothing(p);
    Tensor share =
        Index.scatterColumns(Tensor.full(p.device(), 1, DType.F32, tokens, 1), first, count)
            .mean(0, false);
    return p.mean(0, false).mul(share).sum().mul(count);
  }

  /** Mean over tokens of log(sum(exp(logits)))^2 (Zoph et al. 2022, ST-MoE, equation 5). */
  public static Tensor zLoss(Routing routing) {
    Tensor logits = counted(routing.logits(), routing.mask());
    if (logits.size(0) == 0) return nothing(logits);
    Tensor lse = Softmax.logSumExp(logits);
    return lse.mul(lse).mean();
  }

  /**
   * Importance (Shazeer et al. 2017, equation 7): the squared coefficient of variation, var /
   * mean^2, of the summed weights of the experts.
   */
  public static Tensor importance(Routing routing) {
    Tensor weights = counted(routing.weights(), routing.mask());
    if (weights.size(0) == 0) return nothing(weights);
    Tensor ids = counted(routing.experts(), routing.mask());
    return variation(Index.scatterColumns(weights, ids, routing.expertCount()).sum(0, false));
  }

  /**
   * Load (Shazeer et al. 2017, equations 8 to 11): the same of a smooth number of tokens of each
   * expert, the probability that it would be chosen if its noise were drawn again. Training with
   * noise only. A constant standard deviation below 1e-6 counts as 1e-6 here, so that ties give one
   * half and no gradient overflows.
   *
   * @throws IllegalArgumentException when no noise was drawn, or every expert is always chosen
   */
  public static Tensor load(Routing routing) {
    Routing.Noise noise = routing.noise();
    int k = routing.topK();
    if (noise == null || k == routing.expertCount()) {
      throw new IllegalArgumentException(
          "losses: load is defined for a router that trains with noise and for k < E; here k = %d of"
                  .formatted(k)
              + " %d, %s".formatted(routing.expertCount(), noise == null ? "no noise" : "noise"));
    }
    Tensor clean = counted(noise.clean(), routing.mask());
    if (clean.size(0) == 0) return nothing(clean);
    Tensor noisy = counted(noise.noisy(), routing.mask());
    Tensor std =
        noise.std().rank() == 0
            ? Tensor.full(clean.device(), Math.max(noise.std().item(), LEAST_STD), DType.F32)
            : counted(noise.std(), routing.mask());
    // The k-th highest of the others: the (k+1)-th of all for those that are among the k highest.
    Index.TopK best = Index.topK(noisy, k + 1);
    Tensor inside = best.indices().slice(1, 0, k).contiguous();
    Tensor isIn =
        Index.scatterColumns(
            Tensor.full(inside.device(), 1, DType.F32, inside.size(0), k),
            inside,
            routing.expertCount());
    Tensor last = best.values().slice(1, k - 1, k);
    Tensor next = best.values().slice(1, k, k + 1);
    Tensor threshold = last.add(isIn.mul(next.sub(last)));
    Tensor z = clean.sub(threshold).div(std);
    return variation(RouterNoise.normalCdf(z).sum(0, false));
  }

  private static Tensor variation(Tensor x) {
    Tensor mean = x.mean();
    Tensor off = x.sub(mean);
    return off.mul(off).mean().div(mean.mul(mean).add(TINY));
  }

  /** The rows of t [T, ...] that count. */
  static Tensor counted(Tensor t, TokenMask mask) {
    if (mask == null || mask.isAll()) return t;
    return Index.gatherRows(t, Tensor.of(t.device(), mask.positions(), mask.count()));
  }

  /** 0, with a graph through which zeros flow back. */
  private static Tensor nothing(Tensor empty) {
    return empty.sum();
  }
}
