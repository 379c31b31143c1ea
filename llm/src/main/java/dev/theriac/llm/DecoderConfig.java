package dev.theriac.llm;

/**
 * Shape of a decoder.
 *
 * @param family which block it is made of
 * @param vocabulary rows of the embedding table and of the head
 * @param dim width of the model
 * @param intermediate width inside the feed-forward
 * @param layers number of blocks
 * @param heads query heads
 * @param kvHeads key-value heads
 * @param rotaryDims rotated dimensions of a head (Phi-2: 32 of 80, StableLM-2: 16 of 64)
 * @param ropeTheta base of the rotary frequencies
 * @param maxPositions longest sequence
 * @param normEps epsilon of the norms
 * @param residualDropout dropout on the output of attention and feed-forward while training
 * @param initStd standard deviation of fresh weights
 */
public record DecoderConfig(
    Family family,
    int vocabulary,
    int dim,
    int intermediate,
    int layers,
    int heads,
    int kvHeads,
    int rotaryDims,
    double ropeTheta,
    int maxPositions,
    double normEps,
    double residualDropout,
    double initStd) {
  /** The block of a decoder. */
  public enum Family {
    /** Phi-2: one LayerNorm feeds attention and a GELU feed-forward side by side; biases. */
    PHI,
    /** StableLM-2: LayerNorm, attention, LayerNorm, SwiGLU one after the other; bias on q, k, v. */
    STABLELM
  }

  public DecoderConfig {
    if (heads < 1 || dim % heads != 0 || kvHeads < 1 || heads % kvHeads != 0) {
      throw new IllegalArgumentException(
          "decoder: width %d, %d heads and %d key-value heads do not divide"
              .formatted(dim, heads, kvHeads));
    }
    if (rotaryDims % 2 != 0 || rotaryDims > dim / heads || layers < 1 || vocabulary < 1) {
      throw new IllegalArgumentException(
          "decoder: %d rotary dimensions of a head of %d, %d layers, %d tokens"
              .formatted(rotaryDims, dim / heads, layers, vocabulary));
    }
  }

  public int headDim() {
    return dim / heads;
  }

  /** microsoft/phi-2, 2.8 billion parameters; vocabulary as published. */
  public static DecoderConfig phi2() {
    return new DecoderConfig(
        Family.PHI, 51200, 2560, 10240, 32, 32, 32, 32, 10000, 2048, 1e-5, 0.1, 0.02);
  }

  /** stabilityai/stablelm-2-1_6b, 1.6 billion parameters. */
  public static DecoderConfig stableLm2() {
    return new DecoderConfig(
        Family.STABLELM, 100352, 2048, 5632, 24, 32, 32, 16, 10000, 4096, 1e-5, 0, 0.02);
  }

  /** A small Phi decoder to be trained from random weights: width 64, 3 blocks. */
  public static DecoderConfig small(int vocabulary) {
    return new DecoderConfig(
        Family.PHI, vocabulary, 64, 256, 3, 4, 4, 6, 10000, 512, 1e-5, 0, 0.05);
  }
}
