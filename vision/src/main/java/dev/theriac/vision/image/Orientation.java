package dev.theriac.vision.image;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * How a camera was held: tag 274 of TIFF and EXIF, 1 to 8, and the turns and flips that bring the
 * picture upright, as Pillow's {@code ImageOps.exif_transpose}. A damaged or missing tag is 1.
 */
final class Orientation {
  private static final int TAG = 274;
  private static final int SHORT = 3;
  private static final int PNG_HEADER = 8;

  private Orientation() {}

  /**
   * The tag in the first directory of a TIFF file at {@code start} to {@code end}; 0 when it is not
   * there.
   */
  static int ofTiff(byte[] bytes, int start, int end) {
    if (end - start < 8) return 0;
    ByteBuffer in = ByteBuffer.wrap(bytes, start, end - start).slice();
    in.order(in.get(0) == 'I' ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
    long at = in.getInt(4) & 0xFFFFFFFFL;
    if (at + 2 > in.limit()) return 0;
    int entries = in.getShort((int) at) & 0xFFFF;
    for (long e = at + 2; entries > 0 && e + 12 <= in.limit(); e += 12, entries--) {
      if ((in.getShort((int) e) & 0xFFFF) != TAG) continue;
      int value = in.getShort((int) e + 8) & 0xFFFF;
      return in.getShort((int) e + 2) == SHORT && value >= 1 && value <= 8 ? value : 0;
    }
    return 0;
  }

  /** The tag in a PNG file's eXIf chunk; 0 when it is not there. */
  static int ofPng(byte[] bytes) {
    ByteBuffer in = ByteBuffer.wrap(bytes);
    for (long at = PNG_HEADER; at + 12 <= bytes.length; ) {
      long end = at + 8 + (in.getInt((int) at) & 0xFFFFFFFFL);
      if (end + 4 > bytes.length) return 0;
      if (in.getInt((int) at + 4) == 0x65584966) return ofTiff(bytes, (int) at + 8, (int) end);
      at = end + 4;
    }
    return 0;
  }

  /** The picture upright. */
  static Image apply(Image image, int orientation) {
    if (orientation <= 1 || orientation > 8) return image;
    int width = image.width();
    int height = image.height();
    boolean turned = orientation >= 5;
    int channels = image.channels();
    int newWidth = turned ? height : width;
    int newHeight = turned ? width : height;
    boolean wide = image.bitDepth() == 16;
    byte[] narrow = wide ? null : new byte[width * height * channels];
    short[] broad = wide ? new short[width * height * channels] : null;
    for (int y = 0, to = 0; y < newHeight; y++) {
      for (int x = 0; x < newWidth; x++) {
        int fromX =
            switch (orientation) {
              case 2, 3 -> width - 1 - x;
              case 4 -> x;
              case 5, 6 -> y;
              default -> width - 1 - y;
            };
        int fromY =
            switch (orientation) {
              case 2 -> y;
              case 3, 4 -> height - 1 - y;
              case 5, 8 -> x;
              default -> height - 1 - x;
            };
        for (int c = 0; c < channels; c++, to++) {
          int sample = image.sample(fromX, fromY, c);
          if (wide) broad[to] = (short) sample;
          else narrow[to] = (byte) sample;
        }
      }
    }
    return wide
        ? Image.wrap16(newWidth, newHeight, channels, broad)
        : Image.wrap8(newWidth, newHeight, channels, narrow);
  }
}
