package dev.theriac.vision.dicom;

import dev.theriac.vision.image.Image;

/** Coloured pictures of 8 bits from samples (PS3.3, section C.7.6.3.1.2). */
final class Colours {
  private Colours() {}

  static Image image(DataSet data, PixelFormat format, int[] samples) {
    if (format.photometric().equals("PALETTE COLOR")) return palette(data, format, samples);
    boolean ybr = format.photometric().equals("YBR_FULL");
    double largest = (1L << format.stored()) - 1;
    byte[] out = new byte[samples.length];
    for (int i = 0; i < out.length; i += 3) {
      double a = format.number(samples[i]) / largest * 255;
      double b = format.number(samples[i + 1]) / largest * 255;
      double c = format.number(samples[i + 2]) / largest * 255;
      out[i] = level(ybr ? a + 1.402 * (c - 128) : a);
      out[i + 1] =
          level(
              ybr ? a - 0.114 * 1.772 / 0.587 * (b - 128) - 0.299 * 1.402 / 0.587 * (c - 128) : b);
      out[i + 2] = level(ybr ? a + 1.772 * (b - 128) : c);
    }
    return Image.of8(format.columns(), format.rows(), 3, out);
  }

  private static Image palette(DataSet data, PixelFormat format, int[] samples) {
    byte[] out = new byte[Math.multiplyExact(samples.length, 3)];
    for (int c = 0; c < 3; c++) {
      Lut lut = Lut.of(data, Tags.PALETTE_DESCRIPTOR + c, Tags.PALETTE_DATA + c, format.signed());
      double largest = (1 << lut.bits()) - 1;
      for (int i = 0; i < samples.length; i++) {
        out[3 * i + c] = level(lut.apply(format.number(samples[i])) / largest * 255);
      }
    }
    return Image.of8(format.columns(), format.rows(), 3, out);
  }

  private static byte level(double value) {
    return (byte) Math.clamp((long) Math.floor(value + 0.5), 0, 255);
  }
}
