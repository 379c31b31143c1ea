package dev.theriac.vision.image;

import dev.theriac.tensor.Rng;

/**
 * Random changes of a picture that leave its meaning: an affine map about the centre (bilinear, the
 * border repeated), then gamma, contrast about the picture's mean, and brightness. Each amount is
 * drawn evenly between its negative and its positive bound. A function of the picture and of the
 * generator's state alone, the same on every machine.
 *
 * @param shift of both axes, as a share of the edge
 * @param rotation in degrees
 * @param scale relative
 * @param flip mirrors left and right every other time; for data in which sides do not matter
 * @param gamma exponent exp(amount) on values from 0 to 1
 * @param contrast relative
 * @param brightness added to values from 0 to 1
 */
public record Augmentation(
    double shift,
    double rotation,
    double scale,
    boolean flip,
    double gamma,
    double contrast,
    double brightness) {
  /** Checks that every bound is a sensible amount. */
  public Augmentation {
    for (double bound : new double[] {shift, scale, gamma, contrast, brightness}) {
      if (!(bound >= 0 && bound < 1)) {
        throw new IllegalArgumentException("augmentation: %s is not in [0, 1)".formatted(bound));
      }
    }
    if (!(rotation >= 0 && rotation <= 180)) {
      throw new IllegalArgumentException(
          "augmentation: rotation %s is not in [0, 180] degrees".formatted(rotation));
    }
  }

  /** For small X-rays: shifts of 7 %, 10 degrees, 10 % scale, flips and moderate grey changes. */
  public static Augmentation xRay() {
    return new Augmentation(1.0 / 14, 10, 0.1, true, 0.3, 0.3, 0.2);
  }

  /** An 8-bit RGB picture of the same size. */
  public Image apply(Image image, Rng rng) {
    Image rgb = image.toRgb8();
    int width = rgb.width();
    int height = rgb.height();
    double angle = StrictMath.toRadians(draw(rng, rotation));
    double size = 1 + draw(rng, scale);
    double mirror = rng.nextFloat() < 0.5 && flip ? -1 : 1;
    double cos = StrictMath.cos(angle) * size;
    double sin = StrictMath.sin(angle) * size;
    double dx = draw(rng, shift) * width;
    double dy = draw(rng, shift) * height;
    double[] moved = new double[width * height * 3];
    byte[] source = rgb.bytesShared();
    double sum = 0;
    double exponent = StrictMath.exp(draw(rng, gamma));
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        double u = x - (width - 1) / 2.0;
        double v = y - (height - 1) / 2.0;
        double fromX = (width - 1) / 2.0 + mirror * cos * u - sin * v + dx;
        double fromY = (height - 1) / 2.0 + mirror * sin * u + cos * v + dy;
        for (int c = 0; c < 3; c++) {
          double value = bilinear(source, width, height, fromX, fromY, c) / 255;
          value = StrictMath.pow(Math.max(value, 1e-4), exponent);
          moved[(y * width + x) * 3 + c] = value;
          sum += value;
        }
      }
    }
    double mean = sum / moved.length;
    double gain = 1 + draw(rng, contrast);
    double offset = draw(rng, brightness);
    byte[] out = new byte[moved.length];
    for (int i = 0; i < out.length; i++) {
      double value = (moved[i] - mean) * gain + mean + offset;
      out[i] = (byte) Math.round(255 * Math.clamp(value, 0, 1));
    }
    return Image.wrap8(width, height, 3, out);
  }

  private static double draw(Rng rng, double bound) {
    return (2 * rng.nextFloat() - 1) * bound;
  }

  private static double bilinear(byte[] rgb, int width, int height, double x, double y, int c) {
    double cx = Math.clamp(x, 0, width - 1);
    double cy = Math.clamp(y, 0, height - 1);
    int x0 = (int) cx;
    int y0 = (int) cy;
    int x1 = Math.min(x0 + 1, width - 1);
    int y1 = Math.min(y0 + 1, height - 1);
    double fx = cx - x0;
    double fy = cy - y0;
    double top = at(rgb, width, x0, y0, c) * (1 - fx) + at(rgb, width, x1, y0, c) * fx;
    double bottom = at(rgb, width, x0, y1, c) * (1 - fx) + at(rgb, width, x1, y1, c) * fx;
    return top * (1 - fy) + bottom * fy;
  }

  private static int at(byte[] rgb, int width, int x, int y, int c) {
    return rgb[(y * width + x) * 3 + c] & 0xff;
  }
}
