package dev.theriac.vision;

/**
 * Shape of a vision transformer of the CLIP kind.
 *
 * @param imageSize edge of the square input in pixels
 * @param patchSize edge of a patch; divides the image size
 * @param dim width of the model
 * @param layers number of blocks
 * @param heads attention heads
 * @param intermediate width inside the MLP
 * @param normEps epsilon of the LayerNorms
 * @param selectLayer which hidden state is the feature: -1 the last block's output, -2 the one
 *     before (LLaVA and Med-MoE); blocks after it are never run
 * @param initStd standard deviation of fresh weights
 */
public record VisionConfig(
    int imageSize,
    int patchSize,
    int dim,
    int layers,
    int heads,
    int intermediate,
    double normEps,
    int selectLayer,
    double initStd) {
  public VisionConfig {
    if (patchSize < 1 || imageSize % patchSize != 0 || dim % heads != 0) {
      throw new IllegalArgumentException(
          "vision: image %d, patch %d, width %d, %d heads do not divide"
              .formatted(imageSize, patchSize, dim, heads));
    }
    if (selectLayer >= 0 || selectLayer < -layers) {
      throw new IllegalArgumentException(
          "vision: selected layer %d of %d; -1 is the last".formatted(selectLayer, layers));
    }
  }

  /** Number of patches: positions without the class token. */
  public int patches() {
    return (imageSize / patchSize) * (imageSize / patchSize);
  }

  /** openai/clip-vit-large-patch14-336, 303 million parameters. */
  public static VisionConfig clipLarge336() {
    return new VisionConfig(336, 14, 1024, 24, 16, 4096, 1e-5, -2, 0.02);
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
