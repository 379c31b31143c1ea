package dev.theriac.vision.dicom;

import dev.theriac.vision.image.Image;

/** Grey pictures of 8 bits from values. */
final class Greys {
  private Greys() {}

  static Image through(Window window, PixelFormat format, double[] values) {
    byte[] out = new byte[values.length];
    for (int i = 0; i < out.length; i++) out[i] = grey(window.apply(values[i]), format);
    return Image.of8(format.columns(), format.rows(), 1, out);
  }

  static Image through(Lut lut, PixelFormat format, double[] values) {
    byte[] out = new byte[values.length];
    double largest = (1 << lut.bits()) - 1;
    for (int i = 0; i < out.length; i++) {
      out[i] = grey(Math.min(lut.apply(values[i]) / largest, 1), format);
    }
    return Image.of8(format.columns(), format.rows(), 1, out);
  }

  /**
   * From the smallest value to the largest.
   *
   * @param padding stored values that do not count, or null
   */
  static Image stretched(
      double[] padding, Frames frames, int frame, PixelFormat format, double[] values) {
    int[] stored = padding == null ? null : frames.stored(frame);
    double low = Double.POSITIVE_INFINITY;
    double high = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < values.length; i++) {
      if (stored != null) {
        double number = format.number(stored[i]);
        if (number >= padding[0] && number <= padding[1]) continue;
      }
      low = Math.min(low, values[i]);
      high = Math.max(high, values[i]);
    }
    byte[] out = new byte[values.length];
    for (int i = 0; i < out.length; i++) {
      double share = high > low ? Math.clamp((values[i] - low) / (high - low), 0, 1) : 0;
      out[i] = grey(share, format);
    }
    return Image.of8(format.columns(), format.rows(), 1, out);
  }

  private static byte grey(double share, PixelFormat format) {
    double shown = format.photometric().equals("MONOCHROME1") ? 1 - share : share;
    return (byte) Math.floor(shown * 255 + 0.5);
  }
}
