package dev.theriac.vision.image;

/**
 * Turns pictures into encoder input as Hugging Face's {@code CLIPImageProcessor} does with Pillow:
 * padding to a square or not, bicubic resizing of the shorter side, centre crop, division by 255,
 * subtraction of the mean, division by the deviation. The 8-bit steps equal Pillow's bit for bit,
 * the float steps NumPy's. Safe to use from several threads.
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
    int plane = preprocessing.size() * preprocessing.size();
    float[] planes = new float[Math.multiplyExact(plane, 3)];
    byte[] pixels = pixels(image, preprocessing).bytesShared();
    float[] mean = preprocessing.mean();
    float[] std = preprocessing.std();
    for (int c = 0; c < 3; c++) {
      float[] table = new float[256];
      for (int value = 0; value < 256; value++) {
        table[value] = ((float) (value * (1 / 255.0)) - mean[c]) / std[c];
      }
      for (int i = 0; i < plane; i++) {
        planes[c * plane + i] = table[pixels[3 * i + c] & 0xFF];
      }
    }
    return planes;
  }

  /** The 8-bit steps only, what the encoder sees: an RGB picture of {@code size x size} pixels. */
  public static Image pixels(Image image, Preprocessing preprocessing) {
    Image rgb = image.toRgb8();
    if (preprocessing.pad() && rgb.width() != rgb.height()) {
      rgb = padded(rgb, preprocessing);
    }
    int size = preprocessing.size();
    long shorter = Math.min(rgb.width(), rgb.height());
    long longer = Math.max(rgb.width(), rgb.height());
    long fullLonger = size * longer / shorter;
    boolean wide = rgb.width() > rgb.height();
    long fullWidth = wide ? fullLonger : size;
    long fullHeight = wide ? size : fullLonger;
    return Resample.window(
        rgb, fullWidth, fullHeight, (fullWidth - size) / 2, (fullHeight - size) / 2, size, size);
  }

  private static Image padded(Image rgb, Preprocessing preprocessing) {
    int side = Math.max(rgb.width(), rgb.height());
    if ((long) side * side > Images.MAX_PIXELS) {
      throw new IllegalArgumentException(
          "padding %s to a square of %d x %d pixels: more than %d; make the image smaller"
              .formatted(rgb, side, side, Images.MAX_PIXELS));
    }
    byte[] square = new byte[side * side * 3];
    byte[] colour = new byte[3];
    for (int c = 0; c < 3; c++) {
      colour[c] = (byte) preprocessing.padColour(c);
    }
    for (int i = 0; i < square.length; i++) {
      square[i] = colour[i % 3];
    }
    int left = (side - rgb.width()) / 2;
    int top = (side - rgb.height()) / 2;
    int stride = rgb.width() * 3;
    for (int y = 0; y < rgb.height(); y++) {
      int to = ((top + y) * side + left) * 3;
      System.arraycopy(rgb.bytesShared(), y * stride, square, to, stride);
    }
    return Image.wrap8(side, side, 3, square);
  }
}
