package dev.theriac.cli.report;

import java.util.Locale;

/** Escaping and numbers. The text that is written is well-formed XML too, so tests can parse it. */
final class Html {
  /** Stands for a number that does not exist. */
  static final String DASH = "–";

  private Html() {}

  static String escape(String text) {
    StringBuilder out = new StringBuilder(text.length() + 16);
    text.codePoints()
        .forEach(c -> {
          switch (c) {
            case '&' -> out.append("&amp;");
            case '<' -> out.append("&lt;");
            case '>' -> out.append("&gt;");
            case '"' -> out.append("&quot;");
            case '\'' -> out.append("&#39;");
            default -> out.appendCodePoint(printable(c) ? c : 0xFFFD);
          }
        });
    return out.toString();
  }

  /** Models can generate control characters and broken surrogates, which XML forbids. */
  private static boolean printable(int c) {
    return c >= 0x20 && c != 0x7F && !(c >= 0xD800 && c <= 0xDFFF) && c != 0xFFFE && c != 0xFFFF
        || c == '\n'
        || c == '\t';
  }

  static String format(String pattern, Object... values) {
    return String.format(Locale.ROOT, pattern, values);
  }

  /** A share as a percentage with one decimal. */
  static String percent(double share) {
    return Double.isNaN(share) ? DASH : format("%.1f %%", share * 100);
  }

  /** Thousands parted by a narrow space. */
  static String count(long value) {
    return format("%,d", value).replace(',', '\u202F');
  }

  /** A count in three digits and a letter, as in 1.23 M. */
  static String shortCount(double value) {
    if (Double.isNaN(value)) {
      return DASH;
    }
    String[] units = {"", " k", " M", " G", " T"};
    int unit = 0;
    double scaled = value;
    while (scaled >= 999.5 && unit < units.length - 1) {
      scaled /= 1000;
      unit++;
    }
    String pattern = unit == 0 || scaled >= 99.95 ? "%.0f" : scaled >= 9.995 ? "%.1f" : "%.2f";
    return format(pattern, scaled) + units[unit];
  }

  static String seconds(double value) {
    if (Double.isNaN(value)) {
      return DASH;
    }
    if (value < 120) {
      return format("%.1f s", value);
    }
    long whole = Math.round(value);
    return whole < 7200
        ? format("%d min %02d s", whole / 60, whole % 60)
        : format("%d h %02d min", whole / 3600, whole % 3600 / 60);
  }
}
