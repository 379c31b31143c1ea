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
 * @param headDim width of a head; dim / heads but for some of the Llama family
 * @param rotaryDims rotated dimensions of a head (Phi-2: 32 of 80, StableLM-2: 16 of 64, Llama:
 *     all)
 * @param ropeTheta base of the rotary frequencies
 * @param maxPositions longest sequence
 * @param normEps epsilon of the norms
 * @param residualDropout dropout on the output of attention and feed-forward while training
 * @param initStd standard deviation of fresh weights
 * @param qkvBias whether the projections to queries, keys and values have a bias
 * @param qkNorm whether queries and keys are normalised before they are cut into heads (OLMoE)
 * @param tiedHead whether the head's weight is the embedding table
 */
public record DecoderConfig(
    Family family,
    int vocabulary,
    int dim,
    int intermediate,
    int layers,
    int heads,
    int kvHeads,
    int headDim,
    int rotaryDims,
    double ropeTheta,
    int maxPositions,
    double normEps,
    double residualDropout,
    double initStd,
    boolean qkvBias,
    boolean qkNorm,
    boolean tiedHead) {
  /** The block of a decoder. */
  public enum Family {
    /** Phi-2: one LayerNorm feeds attention and a GELU feed-forward side by side; biases. */
    PHI,
    /** StableLM-2: LayerNorm, attention, LayerNorm, SwiGLU one after the other; bias on q, k, v. */
    STABLELM,
    /**
     * Llama, Mistral, Qwen2, OLMo: as StableLM-2 with RMSNorm; whether there are biases on q, k, v,
     * normalised queries and keys, and a tied head is said by the configuration.
     */
    LLAMA
  }

  public DecoderConfig {
    checkHeads(dim, heads, kvHeads, headDim == 0 || family != Family.LLAMA);
    if (headDim < 1 || family != Family.LLAMA && headDim * heads != dim) {
      throw new IllegalArgumentException(
          "decoder: %d heads of %d in a model of width %d".formatted(heads, headDim, dim));
    }
    if (rotaryDims % 2 != 0 || rotaryDims > headDim || layers < 1 || vocabulary < 1) {
      throw new IllegalArgumentException(
          "decoder: %d rotary dimensions of a head of %d, %d layers, %d tokens"
              .formatted(rotaryDims, headDim, layers, vocabulary));
    }
    if (family != Family.LLAMA && (!qkvBias || qkNorm || tiedHead)) {
      throw new IllegalArgumentException(
          "decoder: %s has a bias on q, k and v, no normalised queries and a head of its own"
              .formatted(family));
    }
  }

  /** Heads that share the width evenly, and the family's own biases, norms and head. */
  public DecoderConfig(
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
    this(
        family,
        vocabulary,
        dim,
        intermediate,
        layers,
        heads,
        kvHeads,
        checkHeads(dim, heads, kvHeads, true),
        rotaryDims,
        ropeTheta,
        maxPositions,
        normEps,
        residualDropout,
        initStd,
        family != Family.LLAMA,
        false,
        false);
  }

  /** The width of a head when they share the model's. */
  private static int checkHeads(int dim, int heads, int kvHeads, boolean shared) {
    if (heads < 1 || shared && dim % heads != 0 || kvHeads < 1 || heads % kvHeads != 0) {
      throw new IllegalArgumentException(
          "decoder: width %d, %d heads and %d key-value heads do not divide"
              .formatted(dim, heads, kvHeads));
    }
    return dim / heads;
  }

  /** A copy with another width of a head, rotated in full; Llama family. */
  public DecoderConfig withHeadDim(int wanted) {
    return copy(wanted, qkvBias, qkNorm, tiedHead);
  }

  /** A copy with biases on q, k and v, or without; Llama family. */
  public DecoderConfig withQkvBias(boolean wanted) {
    return copy(headDim, wanted, qkNorm, tiedHead);
  }

  /** A copy with normalised queries and keys, or without; Llama family. */
  public DecoderConfig withQkNorm(boolean wanted) {
    return copy(headDim, qkvBias, wanted, tiedHead);
  }

  /** A copy whose head is the embedding table, or is not; Llama family. */
  public DecoderConfig withTiedHead(boolean wanted) {
    return copy(headDim, qkvBias, qkNorm, wanted);
  }

  private DecoderConfig copy(int head, boolean bias, boolean norm, boolean tied) {
    return new DecoderConfig(
        family,
        vocabulary,
        dim,
        intermediate,
        layers,
        heads,
        kvHeads,
        head,
        head == headDim ? rotaryDims : head,
        ropeTheta,
        maxPositions,
        normEps,
        residualDropout,
        initStd,
        bias,
        norm,
        tied);
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
