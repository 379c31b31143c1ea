package dev.theriac.moe;

import dev.theriac.nn.Linear;
import dev.theriac.nn.Module;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.Index;
import dev.theriac.op.ShapeFunctions;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/**
 * Softmax top-k router: logits = W u + b in F32, probabilities over all experts, the k most
 * probable chosen. Weights are the probabilities as they are ({@link Weighting#PROBABILITY}, Switch
 * and Med-MoE) or divided by their sum ({@link Weighting#RENORMALISED}, Mixtral; for k = 1 that
 * would leave the router without gradient and is refused).
 */
public final class Router extends Module {
  /** What the chosen experts' outputs are multiplied by. */
  public enum Weighting {
    PROBABILITY,
    RENORMALISED
  }

  private final Linear gate;
  private final int topK;
  private final Weighting weighting;

  /** Fresh weights uniform in +-1/sqrt(dim), as PyTorch's Linear. */
  public Router(int dim, int experts, int topK, Weighting weighting, Rng rng) {
    this(dim, experts, topK, weighting);
    double bound = 1 / Math.sqrt(dim);
    gate.weight().set(Tensor.uniform(rng, -bound, bound, experts, dim));
    gate.bias().set(Tensor.uniform(rng, -bound, bound, experts));
  }

  private Router(int dim, int experts, int topK, Weighting weighting) {
    if (topK < 1 || topK > experts) {
      throw new IllegalArgumentException("router: top-k %d of %d experts".formatted(topK, experts));
    }
    if (topK == 1 && weighting == Weighting.RENORMALISED) {
      throw new IllegalArgumentException(
          "router: a single renormalised weight is always 1 and gives the router no gradient; use"
              + " PROBABILITY for k = 1");
    }
    this.topK = topK;
    this.weighting = weighting;
    gate = part("wg", new Linear(dim, experts, true, new Rng(0), 0));
  }

  /** A router with the given weight [E, dim] and bias [E]. */
  public static Router of(Tensor weight, Tensor bias, int topK, Weighting weighting) {
    Router router =
        new Router(
            Math.toIntExact(weight.size(1)), Math.toIntExact(weight.size(0)), topK, weighting);
    router.gate.weight().set(weight);
    router.gate.bias().set(bias);
    return router;
  }

  /** A copy whose parameters are its own. */
  public Router copy() {
    return with(topK, weighting);
  }

  /** A copy that chooses another number of experts or weights them otherwise. */
  public Router with(int newTopK, Weighting newWeighting) {
    return of(
        ShapeFunctions.copy(gate.weight().value().detach()),
        ShapeFunctions.copy(gate.bias().value().detach()),
        newTopK,
        newWeighting);
  }

  public int experts() {
    return Math.toIntExact(gate.weight().value().size(0));
  }

  public int topK() {
    return topK;
  }

  public Weighting weighting() {
    return weighting;
  }

  /** Logits [..., E] in F32 of u [..., dim]. */
  public Tensor logits(Tensor u) {
    return gate.forward(u.to(DType.F32));
  }

  /** Routes tokens u [T, dim]. */
  public Routing route(Tensor u) {
    return route(u, null);
  }

  /**
   * Routes tokens u [T, dim] of which some are filling: those get experts too, but count in no
   * loss.
   *
   * @param mask null for all
   */
  public Routing route(Tensor u, TokenMask mask) {
    Tensor logits = logits(u);
    Tensor probabilities = logits.softmax();
    // Chosen by logit: softmax rounds, and two logits must not become equal before they are ranked.
    return routing(logits, probabilities, Index.topK(logits.detach(), topK).indices(), mask);
  }

  /**
   * Routes tokens u [T, dim] to experts chosen before; all else is computed as by {@link #route},
   * so that the experts which it would choose give the same bits.
   *
   * @param experts I64 [T, k], ids in [0, E), distinct in a token
   * @param mask null for all
   */
  public Routing replay(Tensor u, Tensor experts, TokenMask mask) {
    Tensor logits = logits(u);
    if (experts.rank() != 2 || experts.size(0) != u.size(0) || experts.size(1) != topK) {
      throw new IllegalArgumentException(
          "router: experts of shape %s to replay, [%d, %d] is wanted"
              .formatted(experts.layout(), u.size(0), topK));
    }
    return routing(logits, logits.softmax(), experts, mask);
  }

  private Routing routing(Tensor logits, Tensor probabilities, Tensor experts, TokenMask mask) {
    Tensor weights = Index.gatherColumns(probabilities, experts);
    if (weighting == Weighting.RENORMALISED) weights = weights.div(weights.sum(1, true));
    return new Routing(logits, probabilities, experts, weights, mask);
  }
}
