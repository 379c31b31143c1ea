package dev.theriac.vision.image;

/**
 * Turns pictures into encoder input as Hugging Face's {@code CLIPImageProcessor} does with Pillow:
 * padding to a square or not, bicubic resizing of the shorter side, centre crop, division by 255,
 * subtraction of the mean, division by the deviation. The 8-bit steps equal Pillow's bit for bit,
 * the float steps NumPy's. {@link ImageProcessor} has more choices. Safe to use from several
 * threads.
 */
public final class Preprocess {
  private Preprocess() {}

  /**
   * The encoder input of one picture.
   *
   * @return f32 {@code [3, size, size]}: the red, green and blue planes, row by row
   * @throws IllegalArgumentException if the picture is to be padded and the square would have more
   *     than {@link Images#MAX_PIXELS}
   */
  public static float[] apply(Image image, Preprocessing preprocessing) {
    return ImageProcessor.of(preprocessing).apply(image).values();
  }

  /** The 8-bit steps only, what the encoder sees: an RGB picture of {@code size x size} pixels. */
  public static Image pixels(Image image, Preprocessing preprocessing) {
    return ImageProcessor.of(preprocessing).pixels(image);
  }
}
