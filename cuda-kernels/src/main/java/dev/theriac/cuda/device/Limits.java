package dev.theriac.cuda.device;

import java.util.Locale;

/** Numbers of bytes in system properties. */
final class Limits {
  private Limits() {}

  /**
   * A property such as 4000000, 512m or 8g; 0 where it is not set.
   *
   * @throws IllegalArgumentException naming the property, if it is no such number
   */
  static long bytes(String property) {
    String text = System.getProperty(property, "0").trim().toLowerCase(Locale.ROOT);
    int shift = text.endsWith("k") ? 10 : text.endsWith("m") ? 20 : text.endsWith("g") ? 30 : 0;
    try {
      long number = Long.parseLong(shift == 0 ? text : text.substring(0, text.length() - 1).trim());
      if (number >= 0 && number <= Long.MAX_VALUE >> shift) return number << shift;
      throw new NumberFormatException("out of range");
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "%s=%s is not a number of bytes such as 4000000, 512m or 8g".formatted(property, text),
          e);
    }
  }
}
