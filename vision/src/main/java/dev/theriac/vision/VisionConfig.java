package dev.theriac.vision;

import dev.theriac.backend.UnaryKind;

/**
 * Shape of a vision transformer of the CLIP or SigLIP kind.
 *
 * @param family which of the two
 * @param imageSize edge of the square input in pixels
 * @param patchSize edge of a patch; what remains of the image at the right and below is not seen
 * @param channels of the input
 * @param dim width of the model
 * @param layers number of blocks
 * @param heads attention heads; divides {@code dim}
 * @param intermediate width inside the MLP
 * @param activation of the MLP: QUICK_GELU, GELU, GELU_TANH, SILU or RELU
 * @param normEps epsilon of the LayerNorms
 * @param poolingHead whether a head pools the patches by attention (SigLIP only)
 * @param projection width of the projection of the pooled image, without bias (CLIP only); 0 for
 *     none
 * @param selectLayer which hidden state is the feature: 0 is what enters the first block, i the
 *     output of block i; negative numbers count from the end, so -1 is the last block's output, -2
 *     the one before (LLaVA and Med-MoE). Blocks after it are never run for features
 * @param feature which positions of it are the feature
 * @param initStd standard deviation of fresh weights
 */
public record VisionConfig(
    Family family,
    int imageSize,
    int patchSize,
    int channels,
    int dim,
    int layers,
    int heads,
    int intermediate,
    UnaryKind activation,
    double normEps,
    boolean poolingHead,
    int projection,
    int selectLayer,
    Feature feature,
    double initStd) {

  /** The two kinds of encoder. */
  public enum Family {
    /**
     * Radford et al., "Learning transferable visual models": a class token, patches without bias, a
     * LayerNorm before the blocks.
     */
    CLIP,
    /**
     * Zhai et al., "Sigmoid loss for language image pre-training": no class token, patches with
     * bias, a LayerNorm after the blocks.
     */
    SIGLIP
  }

  /** Which positions of a hidden state are the feature of an image. */
  public enum Feature {
    /** One for each patch; LLaVA's "patch". */
    PATCH,
    /** The class token, then the patches; LLaVA's "cls_patch". CLIP only. */
    CLS_PATCH
  }

  public VisionConfig {
    requirePositive("image size", imageSize);
    requirePositive("patch size", patchSize);
    requirePositive("channels", channels);
    requirePositive("width", dim);
    requirePositive("layers", layers);
    requirePositive("heads", heads);
    requirePositive("intermediate width", intermediate);
    if (patchSize > imageSize) {
      throw new IllegalArgumentException(
          "vision: image size %d is smaller than patch size %d".formatted(imageSize, patchSize));
    }
    if (dim % heads != 0) {
      throw new IllegalArgumentException(
          "vision: width %d and %d heads do not divide".formatted(dim, heads));
    }
    if (selectLayer > layers || selectLayer < -layers - 1) {
      throw new IllegalArgumentException(
          "vision: selected layer %d of %d; -1 is the last".formatted(selectLayer, layers));
    }
    switch (activation) {
      case QUICK_GELU, GELU, GELU_TANH, SILU, RELU -> {}
      default ->
          throw new IllegalArgumentException(
              "vision: activation %s; QUICK_GELU, GELU, GELU_TANH, SILU and RELU are known"
                  .formatted(activation));
    }
    boolean clip = family == Family.CLIP;
    if (clip && poolingHead) {
      throw new IllegalArgumentException("vision: CLIP has no pooling head");
    }
    if (!clip && feature == Feature.CLS_PATCH) {
      throw new IllegalArgumentException("vision: SigLIP has no class token; use PATCH");
    }
    if (projection < 0 || !clip && projection > 0) {
      throw new IllegalArgumentException(
          "vision: projection to %d; 0 for none, and only CLIP has one".formatted(projection));
    }
  }

  private static void requirePositive(String what, int value) {
    if (value < 1) {
      throw new IllegalArgumentException("vision: %s %d; 1 or more".formatted(what, value));
    }
  }

  /** CLIP on RGB with quick-GELU, the patches of a hidden state as feature, no projection. */
  public VisionConfig(
      int imageSize,
      int patchSize,
      int dim,
      int layers,
      int heads,
      int intermediate,
      double normEps,
      int selectLayer,
      double initStd) {
    this(
        Family.CLIP,
        imageSize,
        patchSize,
        3,
        dim,
        layers,
        heads,
        intermediate,
        UnaryKind.QUICK_GELU,
        normEps,
        false,
        0,
        selectLayer,
        Feature.PATCH,
        initStd);
  }

  /** The same with another feature. */
  public VisionConfig withFeature(int layer, Feature positions) {
    return new VisionConfig(
        family,
        imageSize,
        patchSize,
        channels,
        dim,
        layers,
        heads,
        intermediate,
        activation,
        normEps,
        poolingHead,
        projection,
        layer,
        positions,
        initStd);
  }

  /** The same with a projection of the pooled image to {@code width}, or without one for 0. */
  public VisionConfig withProjection(int width) {
    return new VisionConfig(
        family,
        imageSize,
        patchSize,
        channels,
        dim,
        layers,
        heads,
        intermediate,
        activation,
        normEps,
        poolingHead,
        width,
        selectLayer,
        feature,
        initStd);
  }

  /** Number of patches: positions without the class token. */
  public int patches() {
    return Math.multiplyExact(imageSize / patchSize, imageSize / patchSize);
  }

  /** Number of positions inside the encoder: the patches, and the class token of CLIP. */
  public int positions() {
    return Math.addExact(patches(), family == Family.CLIP ? 1 : 0);
  }

  /** Number of vectors that are the feature of an image. */
  public int features() {
    return feature == Feature.CLS_PATCH ? positions() : patches();
  }

  /** The hidden state that is the feature, 0 to {@code layers}. */
  public int selectedState() {
    return selectLayer < 0 ? layers + 1 + selectLayer : selectLayer;
  }

  /** openai/clip-vit-base-patch32, 87 million parameters without projection. */
  public static VisionConfig clipBase32() {
    return new VisionConfig(224, 32, 768, 12, 12, 3072, 1e-5, -1, 0.02);
  }

  /** openai/clip-vit-large-patch14, 303 million parameters. */
  public static VisionConfig clipLarge14() {
    return new VisionConfig(224, 14, 1024, 24, 16, 4096, 1e-5, -2, 0.02);
  }

  /** openai/clip-vit-large-patch14-336, 303 million parameters. */
  public static VisionConfig clipLarge336() {
    return new VisionConfig(336, 14, 1024, 24, 16, 4096, 1e-5, -2, 0.02);
  }

  /** google/siglip-base-patch16-224 and its larger inputs, 93 million parameters. */
  public static VisionConfig siglipBase16(int imageSize) {
    return siglip(imageSize, 16, 768, 12, 12, 3072);
  }

  /** google/siglip-so400m-patch14-384, 428 million parameters; 6 pixels at each edge are unseen. */
  public static VisionConfig siglipSo400m384() {
    return siglip(384, 14, 1152, 27, 16, 4304);
  }

  private static VisionConfig siglip(
      int imageSize, int patchSize, int dim, int layers, int heads, int intermediate) {
    return new VisionConfig(
        Family.SIGLIP,
        imageSize,
        patchSize,
        3,
        dim,
        layers,
        heads,
        intermediate,
        UnaryKind.GELU_TANH,
        1e-6,
        true,
        0,
        -1,
        Feature.PATCH,
        0.02);
  }

  /**
   * A small encoder to be trained from random weights, 164 thousand parameters at 32 pixels: 16
   * patches, width 64, 3 blocks.
   *
   * @param imageSize a multiple of 4
   */
  public static VisionConfig small(int imageSize) {
    return new VisionConfig(imageSize, imageSize / 4, 64, 3, 4, 256, 1e-5, -1, 0.1);
  }
}
