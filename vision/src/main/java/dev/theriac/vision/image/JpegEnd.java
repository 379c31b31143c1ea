package dev.theriac.vision.image;

/** Finds out whether a JPEG file goes on to its end marker (ITU T.81, annex B). */
final class JpegEnd {
  private static final int END_OF_IMAGE = 0xD9;
  private static final int START_OF_SCAN = 0xDA;

  private JpegEnd() {}

  static boolean reached(byte[] bytes) {
    int at = 2;
    // Segments carry their length; a thumbnail in one of them has an end marker of its own.
    while (at + 4 <= bytes.length && (bytes[at] & 0xFF) == 0xFF) {
      int marker = bytes[at + 1] & 0xFF;
      if (marker == START_OF_SCAN) {
        return endAfter(bytes, at + 2);
      }
      if (marker == 0xFF) {
        at++;
      } else {
        at += 2 + ((bytes[at + 2] & 0xFF) << 8 | bytes[at + 3] & 0xFF);
      }
    }
    return false;
  }

  private static boolean endAfter(byte[] bytes, int start) {
    // A 0xFF of the compressed data is followed by 0, so this pair can only be the marker.
    for (int at = start; at + 1 < bytes.length; at++) {
      if ((bytes[at] & 0xFF) == 0xFF && (bytes[at + 1] & 0xFF) == END_OF_IMAGE) {
        return true;
      }
    }
    return false;
  }
}
