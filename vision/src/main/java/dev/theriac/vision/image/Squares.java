package dev.theriac.vision.image;

import dev.theriac.vision.image.ImageProcessor.Normalisation;

/** Putting a picture on a larger ground: LLaVA's square, and crops that reach beyond the edges. */
final class Squares {
  private Squares() {}

  /**
   * The picture in the middle of a square of the mean colour, rounded down; black without one.
   *
   * @throws IllegalArgumentException if the square would have more than {@link Images#MAX_PIXELS}
   */
  static Image pad(Image image, Normalisation colours) {
    int side = Math.max(image.width(), image.height());
    if ((long) side * side > Images.MAX_PIXELS) {
      throw new IllegalArgumentException(
          "padding %s to a square of %d x %d pixels: more than %d; make the image smaller"
              .formatted(image, side, side, Images.MAX_PIXELS));
    }
    int channels = image.channels();
    byte[] ground = new byte[Math.multiplyExact(side * side, channels)];
    if (colours != null) {
      float[] mean = colours.mean();
      for (int i = 0; i < ground.length; i++) {
        ground[i] = (byte) Math.clamp((int) (mean[i % channels % mean.length] * 255.0), 0, 255);
      }
    }
    int left = (side - image.width()) / 2;
    int top = (side - image.height()) / 2;
    place(image, ground, side, left, top);
    return Image.wrap8(side, side, channels, ground);
  }

  /**
   * The window of {@code width x height} pixels at (left, top), which may be negative, of the
   * picture resized to {@code full}; black outside.
   */
  static Image window(
      Image image, Resampling kernel, long[] full, long left, long top, int width, int height) {
    // Where the window lies inside the resized picture.
    long x = Math.max(left, 0);
    long y = Math.max(top, 0);
    int inWidth = (int) (Math.min(left + width, full[0]) - x);
    int inHeight = (int) (Math.min(top + height, full[1]) - y);
    Resampling used = kernel == null ? Resampling.BICUBIC : kernel;
    Image inside = Resample.window(image, used, full[0], full[1], x, y, inWidth, inHeight);
    if (inWidth == width && inHeight == height) return inside;
    byte[] ground = new byte[Math.multiplyExact(width * height, image.channels())];
    place(inside, ground, width, (int) (x - left), (int) (y - top));
    return Image.wrap8(width, height, image.channels(), ground);
  }

  private static void place(Image image, byte[] ground, int groundWidth, int left, int top) {
    int channels = image.channels();
    int stride = image.width() * channels;
    for (int y = 0; y < image.height(); y++) {
      int to = ((top + y) * groundWidth + left) * channels;
      System.arraycopy(image.bytesShared(), y * stride, ground, to, stride);
    }
  }
}
