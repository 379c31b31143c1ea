package dev.theriac.llm;

import dev.theriac.tensor.Rng;

/** Makes the feed-forward of each block of a decoder. */
@FunctionalInterface
public interface FeedForwards {
  /** The dense feed-forward of the family in every block. */
  FeedForwards DENSE = (config, _, rng) -> new DenseFeedForward(config, rng);

  /**
   * @param layer index of the block, from 0
   * @param rng for fresh weights
   */
  FeedForward make(DecoderConfig config, int layer, Rng rng);
}
