package dev.theriac.moe.medmoe;

import dev.theriac.moe.Router;
import java.util.List;
import java.util.stream.IntStream;

/**
 * How a dense model becomes a mixture of experts.
 *
 * @param experts number of experts of each MoE layer
 * @param topK experts that each token passes
 * @param weighting what the experts' outputs are multiplied by
 * @param metaExpert whether the dense feed-forward stays as an always-active expert
 * @param layers 0-based decoder layers that get experts, one or more in any order, each once; null
 *     for every other one from 0 on ("sparse")
 * @param auxiliaryCoefficient factor of the load-balance loss; 0 leaves it out
 */
public record MoeOptions(
    int experts,
    int topK,
    Router.Weighting weighting,
    boolean metaExpert,
    List<Integer> layers,
    double auxiliaryCoefficient) {
  public MoeOptions {
    if (experts < 1 || topK < 1 || topK > experts) {
      throw new IllegalArgumentException(
          "MoE options: top-k %d of %d experts".formatted(topK, experts));
    }
    if (topK == 1 && weighting == Router.Weighting.RENORMALISED) {
      throw new IllegalArgumentException(
          "MoE options: a single renormalised weight is always 1 and gives the router no gradient;"
              + " use PROBABILITY for top_k_experts 1");
    }
    if (!(auxiliaryCoefficient >= 0 && auxiliaryCoefficient <= Float.MAX_VALUE)) {
      throw new IllegalArgumentException(
          "MoE options: auxiliary coefficient %s is not a number from 0 on"
              .formatted(auxiliaryCoefficient));
    }
    if (layers != null) {
      if (layers.isEmpty()) {
        throw new IllegalArgumentException(
            "MoE options: no layer gets experts; name some, or null for every other one");
      }
      if (layers.stream().distinct().count() < layers.size()) {
        throw new IllegalArgumentException("MoE options: a layer twice in " + layers);
      }
      layers = layers.stream().sorted().toList();
    }
  }

  /**
   * Med-MoE as published: 4 experts, top-1 by probability, meta expert, even layers, no auxiliary
   * loss.
   */
  public static MoeOptions medMoe() {
    return new MoeOptions(4, 1, Router.Weighting.PROBABILITY, true, null, 0);
  }

  /** The layers of a decoder of {@code count} layers that get experts. */
  public List<Integer> layersOf(int count) {
    if (layers == null) {
      return IntStream.range(0, count).filter(i -> i % 2 == 0).boxed().toList();
    }
    for (int layer : layers) {
      if (layer < 0 || layer >= count) {
        throw new IllegalArgumentException(
            "MoE options: layer %d of a decoder of %d layers".formatted(layer, count));
      }
    }
    return layers;
  }
}
