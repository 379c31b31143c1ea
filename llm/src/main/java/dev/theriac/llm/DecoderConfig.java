package dev.theriac.llm;

import dev.theriac.nn.QueryKeyNorm;

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
 * @param ropeTheta base of the rotary frequencies, from 1 to {@link RopeFields#LARGEST}
 * @param maxPositions longest sequence, 1 or more
 * @param normEps epsilon of the norms, from 0 to 1
 * @param residualDropout dropout on the output of attention and feed-forward while training, from 0
 *     to below 1
 * @param initStd standard deviation of fresh weights, from 0 to 1
 * @param qkvBias whether the projections to queries, keys and values have a bias
 * @param qkNorm whether queries and keys are normalised: in the Llama family by an RMSNorm before
 *     they are cut into heads (OLMoE), in Phi by a LayerNorm that all heads share, in StableLM by
 *     one for each head without bias
 * @param tiedHead whether the head's weight is the embedding table
 * @param options what else published configurations say
 * @throws IllegalArgumentException naming what does not fit
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
    boolean tiedHead,
    DecoderOptions options) {
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
    checkHeads(dim, heads, kvHeads, headDim == 0 || family == Family.STABLELM);
    if (headDim < 1 || family == Family.STABLELM && (long) headDim * heads != dim) {
      throw new IllegalArgumentException(
          "decoder: %d heads of %d in a model of width %d".formatted(heads, headDim, dim));
    }
    if (rotaryDims < 0
        || rotaryDims % 2 != 0
        || rotaryDims > headDim
        || layers < 1
        || vocabulary < 1) {
      throw new IllegalArgumentException(
          "decoder: %d rotary dimensions of a head of %d, %d layers, %d tokens"
              .formatted(rotaryDims, headDim, layers, vocabulary));
    }
    requireRange("base of the rotary frequencies", ropeTheta, 1, RopeFields.LARGEST);
    requireRange("epsilon of the norms", normEps, 0, 1);
    requireRange("standard deviation of fresh weights", initStd, 0, 1);
    if (!(residualDropout >= 0 && residualDropout < 1)) {
      throw new IllegalArgumentException(
          "decoder: dropout %s after attention and feed-forward; from 0 to below 1 is wanted"
              .formatted(residualDropout));
    }
    if (intermediate < 1 || maxPositions < 1) {
      throw new IllegalArgumentException(
          "decoder: a feed-forward of width %d, %d positions; 1 or more of each is wanted"
              .formatted(intermediate, maxPositions));
    }
    if (family == Family.PHI
        && !(qkvBias && options.outputBias() && options.mlpBias() && options.parallelResidual())) {
      throw new IllegalArgumentException(
          "decoder: PHI has biases in attention and feed-forward, and these side by side");
    }
    if (family == Family.LLAMA && options.parallelResidual()) {
      throw new IllegalArgumentException(
          "decoder: LLAMA has attention and feed-forward one after the other");
    }
  }

  /** What files may say too: a configuration that is saved is read again. */
  private static void requireRange(String what, double value, double least, double most) {
    if (!(value >= least && value <= most)) {
      throw new IllegalArgumentException(
          "decoder: %s %s; from %s to %s is wanted".formatted(what, value, least, most));
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

  /** With the usual options of the family. */
  public DecoderConfig(
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
    this(
        family,
        vocabulary,
        dim,
        intermediate,
        layers,
        heads,
        kvHeads,
        headDim,
        rotaryDims,
        ropeTheta,
        maxPositions,
        normEps,
        residualDropout,
        initStd,
        qkvBias,
        qkNorm,
        tiedHead,
        DecoderOptions.of(family));
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

  /** A copy with another width of a head, rotated in full. */
  public DecoderConfig withHeadDim(int wanted) {
    return copy(wanted, qkvBias, qkNorm, tiedHead, options);
  }

  /** A copy with biases on q, k and v, or without. */
  public DecoderConfig withQkvBias(boolean wanted) {
    return copy(headDim, wanted, qkNorm, tiedHead, options);
  }

  /** A copy with normalised queries and keys, or without. */
  public DecoderConfig withQkNorm(boolean wanted) {
    return copy(headDim, qkvBias, wanted, tiedHead, options);
  }

  /** A copy whose head is the embedding table, or is not. */
  public DecoderConfig withTiedHead(boolean wanted) {
    return copy(headDim, qkvBias, qkNorm, wanted, options);
  }

  /** A copy with other options. */
  public DecoderConfig withOptions(DecoderOptions wanted) {
    return copy(headDim, qkvBias, qkNorm, tiedHead, wanted);
  }

  /** How queries and keys are normalised. */
  QueryKeyNorm.Kind queryKeyNorm() {
    if (!qkNorm) return QueryKeyNorm.Kind.NONE;
    return switch (family) {
      case PHI -> QueryKeyNorm.Kind.LAYER_SHARED;
      case STABLELM -> QueryKeyNorm.Kind.LAYER_PER_HEAD;
      case LLAMA -> QueryKeyNorm.Kind.RMS_WHOLE;
    };
  }

  /** The longest text: {@link #maxPositions}, or what the scaled rotary frequencies reach. */
  public long reach() {
    return Math.max(maxPositions, options.ropeScaling().reach());
  }

  private DecoderConfig copy(
      int head, boolean bias, boolean norm, boolean tied, DecoderOptions other) {
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
        tied,
        other);
  }

  /**
   * microsoft/phi-2, 2.8 billion parameters; vocabulary as published. The head is that of Med-MoE,
   * without the bias of the published one ({@link DecoderOptions#headBias}).
   */
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
