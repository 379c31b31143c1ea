package dev.theriac.vision.image;

import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What the segments of a JPEG file say (ITU T.81, annex B), as far as they go.
 *
 * @param components of a pixel; 0 when no frame header was found
 * @param adobe the colour transform of Adobe's segment, or -1 when there is none
 * @param orientation of EXIF or, without one there, of XMP; 1 when neither says
 * @param ends whether the file goes on to its end marker
 */
record JpegHeader(int components, int adobe, int orientation, boolean ends) {
  private static final int END_OF_IMAGE = 0xD9;
  private static final int START_OF_SCAN = 0xDA;
  private static final byte[] EXIF = "Exif\0\0".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] XMP =
      "http://ns.adobe.com/xap/1.0/\0".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] ADOBE = "Adobe".getBytes(StandardCharsets.US_ASCII);
  private static final Pattern XMP_ORIENTATION =
      Pattern.compile("tiff:Orientation(?:=\"|>)([1-8])[\"<]");

  static JpegHeader of(byte[] bytes) {
    int components = 0;
    int adobe = -1;
    int exif = 0;
    int xmp = 1;
    int at = 2;
    // Segments carry their length; a thumbnail in one of them has an end marker of its own.
    while (at + 4 <= bytes.length && (bytes[at] & 0xFF) == 0xFF) {
      int marker = bytes[at + 1] & 0xFF;
      if (marker == START_OF_SCAN) {
        boolean ends = endAfter(bytes, at + 2);
        return new JpegHeader(components, adobe, exif == 0 ? xmp : exif, ends);
      }
      if (marker == 0xFF) {
        at++;
        continue;
      }
      int start = at + 4;
      int end = at + 2 + ((bytes[at + 2] & 0xFF) << 8 | bytes[at + 3] & 0xFF);
      if (end > bytes.length) break;
      boolean frame = marker >= 0xC0 && marker <= 0xCF && marker % 4 != 0 || marker == 0xC0;
      if (frame && end - start >= 6) components = bytes[start + 5] & 0xFF;
      if (marker == 0xE1 && starts(bytes, start, end, EXIF)) {
        exif = Orientation.ofTiff(bytes, start + EXIF.length, end);
      }
      if (marker == 0xE1 && starts(bytes, start, end, XMP)) xmp = ofXmp(bytes, start, end);
      if (marker == 0xEE && starts(bytes, start, end, ADOBE) && end - start >= 12) {
        adobe = bytes[start + 11] & 0xFF;
      }
      at = Math.max(end, at + 2);
    }
    return new JpegHeader(components, adobe, exif == 0 ? xmp : exif, false);
  }

  private static int ofXmp(byte[] bytes, int start, int end) {
    String text = new String(bytes, start, end - start, StandardCharsets.ISO_8859_1);
    Matcher found = XMP_ORIENTATION.matcher(text);
    return found.find() ? found.group(1).charAt(0) - '0' : 1;
  }

  private static boolean starts(byte[] bytes, int start, int end, byte[] with) {
    return end - start >= with.length
        && java.util.Arrays.equals(bytes, start, start + with.length, with, 0, with.length);
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
