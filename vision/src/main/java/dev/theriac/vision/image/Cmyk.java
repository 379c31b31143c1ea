package dev.theriac.vision.image;

import java.awt.image.Raster;

/**
 * Four inks to red, green and blue as Pillow does, embedded profiles left out: each colour is what
 * black ink leaves, less its share of the complementary ink.
 */
final class Cmyk {
  private Cmyk() {}

  /**
   * @param raster of four bands of 8 bits
   * @param ycck whether the first three are luminance and colour differences of the inks
   * @param inverted whether 255 is no ink, as Adobe writes them and Pillow takes all JPEG files
   */
  static Image toRgb(Raster raster, boolean ycck, boolean inverted) {
    int width = raster.getWidth();
    int height = raster.getHeight();
    byte[] out = new byte[Math.multiplyExact(Math.multiplyExact(width, height), 3)];
    int bands = raster.getNumBands();
    int[] row = new int[width * bands];
    int to = 0;
    for (int y = 0; y < height; y++) {
      raster.getPixels(raster.getMinX(), raster.getMinY() + y, width, 1, row);
      for (int x = 0; x < width; x++) {
        int at = x * bands;
        int c = row[at];
        int m = row[at + 1];
        int k = row[at + 3];
        int ye = row[at + 2];
        if (ycck) {
          double cb = row[at + 1] - 128;
          double cr = row[at + 2] - 128;
          c = 255 - level(row[at] + 1.402 * cr);
          m = 255 - level(row[at] - 0.344136286 * cb - 0.714136286 * cr);
          ye = 255 - level(row[at] + 1.772 * cb);
        }
        int left = inverted ? k : 255 - k;
        out[to++] = (byte) (left - share(inverted ? 255 - c : c, left));
        out[to++] = (byte) (left - share(inverted ? 255 - m : m, left));
        out[to++] = (byte) (left - share(inverted ? 255 - ye : ye, left));
      }
    }
    return Image.wrap8(width, height, 3, out);
  }

  private static int level(double value) {
    return Math.clamp((long) Math.floor(value + 0.5), 0, 255);
  }

  /** a * b / 255, rounded; exact for 8-bit numbers. */
  private static int share(int a, int b) {
    int product = a * b + 128;
    return (product >> 8) + product >> 8;
  }
}
