package dev.theriac.vision.image;

import java.awt.Transparency;
import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ComponentColorModel;
import java.awt.image.DataBuffer;
import java.awt.image.DataBufferByte;
import java.awt.image.DataBufferUShort;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.awt.image.WritableRaster;
import java.io.IOException;

/** Between AWT's buffered images and {@link Image}. Colour spaces of grey and RGB are kept. */
final class BufferedImages {
  private BufferedImages() {}

  static Image toImage(BufferedImage source, String name) throws IOException {
    int type = source.getColorModel().getColorSpace().getType();
    boolean grey = type == ColorSpace.TYPE_GRAY;
    Raster inks = source.getRaster();
    if (type == ColorSpace.TYPE_CMYK
        && inks.getNumBands() >= 4
        && inks.getSampleModel().getSampleSize(0) == 8) {
      return Cmyk.toRgb(inks, false, false);
    }
    if (source.getColorModel() instanceof IndexColorModel || !grey && type != ColorSpace.TYPE_RGB) {
      return throughRgb(source);
    }
    if (source.isAlphaPremultiplied()) {
      source.coerceData(false);
    }
    // Raster bands are red, green, blue, alpha whatever the order in memory.
    Raster raster = source.getRaster();
    int bits = raster.getSampleModel().getSampleSize(0);
    boolean whole =
        switch (raster.getTransferType()) {
          case DataBuffer.TYPE_BYTE, DataBuffer.TYPE_USHORT -> true;
          case DataBuffer.TYPE_INT -> bits <= 16;
          default -> false;
        };
    if (!whole) {
      throw new Images.NamedException(
          name + ": samples are neither 8 nor 16 bit integers; convert the image to such a PNG");
    }
    return bits <= 8 ? toImage8(raster, grey ? 1 : 3) : toImage16(raster, grey ? 1 : 3);
  }

  private static Image toImage8(Raster raster, int channels) {
    int width = raster.getWidth();
    int height = raster.getHeight();
    int[] largest = largestSamples(raster);
    byte[] samples = new byte[Math.multiplyExact(Math.multiplyExact(width, height), channels)];
    int[] row = new int[width * raster.getNumBands()];
    int bands = raster.getNumBands();
    for (int y = 0, out = 0; y < height; y++) {
      raster.getPixels(raster.getMinX(), raster.getMinY() + y, width, 1, row);
      for (int x = 0; x < width; x++) {
        for (int c = 0; c < channels; c++) {
          int value = row[x * bands + c];
          samples[out++] =
              (byte) (largest[c] == 255 ? value : (value * 255 + largest[c] / 2) / largest[c]);
        }
      }
    }
    return Image.wrap8(width, height, channels, samples);
  }

  private static Image toImage16(Raster raster, int channels) {
    int width = raster.getWidth();
    int height = raster.getHeight();
    int[] largest = largestSamples(raster);
    short[] samples = new short[Math.multiplyExact(Math.multiplyExact(width, height), channels)];
    int[] row = new int[width * raster.getNumBands()];
    int bands = raster.getNumBands();
    for (int y = 0, out = 0; y < height; y++) {
      raster.getPixels(raster.getMinX(), raster.getMinY() + y, width, 1, row);
      for (int x = 0; x < width; x++) {
        for (int c = 0; c < channels; c++) {
          long value = row[x * bands + c];
          samples[out++] = (short) ((value * 65535 + largest[c] / 2) / largest[c]);
        }
      }
    }
    return Image.wrap16(width, height, channels, samples);
  }

  private static int[] largestSamples(Raster raster) {
    int[] bits = raster.getSampleModel().getSampleSize();
    int[] largest = new int[bits.length];
    for (int i = 0; i < bits.length; i++) {
      largest[i] = (1 << bits[i]) - 1;
    }
    return largest;
  }

  private static Image throughRgb(BufferedImage source) {
    int width = source.getWidth();
    int height = source.getHeight();
    byte[] samples = new byte[Math.multiplyExact(Math.multiplyExact(width, height), 3)];
    int[] row = new int[width];
    for (int y = 0, out = 0; y < height; y++) {
      source.getRGB(0, y, width, 1, row, 0, width);
      for (int rgb : row) {
        samples[out++] = (byte) (rgb >> 16);
        samples[out++] = (byte) (rgb >> 8);
        samples[out++] = (byte) rgb;
      }
    }
    return Image.wrap8(width, height, 3, samples);
  }

  static BufferedImage fromImage(Image image) {
    int channels = image.channels();
    boolean wide = image.bitDepth() == 16;
    int type = wide ? DataBuffer.TYPE_USHORT : DataBuffer.TYPE_BYTE;
    ColorSpace space =
        ColorSpace.getInstance(channels == 1 ? ColorSpace.CS_GRAY : ColorSpace.CS_sRGB);
    ComponentColorModel model =
        new ComponentColorModel(space, false, false, Transparency.OPAQUE, type);
    WritableRaster raster = model.createCompatibleWritableRaster(image.width(), image.height());
    int at = 0;
    for (int y = 0; y < image.height(); y++) {
      for (int x = 0; x < image.width(); x++) {
        for (int c = 0; c < channels; c++, at++) {
          int sample = image.sample(x, y, c);
          switch (raster.getDataBuffer()) {
            case DataBufferByte bytes -> bytes.setElem(at, sample);
            case DataBufferUShort shorts -> shorts.setElem(at, sample);
            default -> throw new AssertionError(raster.getDataBuffer());
          }
        }
      }
    }
    return new BufferedImage(model, raster, false, null);
  }
}
