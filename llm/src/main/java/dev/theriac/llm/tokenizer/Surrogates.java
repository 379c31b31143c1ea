package dev.theriac.llm.tokenizer;

/** Halves of surrogate pairs in Java strings, which are no characters and have no UTF-8. */
final class Surrogates {
  private Surrogates() {}

  /** The text with each half that lacks the other replaced by U+FFFD; the same object if none. */
  static String repaired(String text) {
    StringBuilder out = null;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (!Character.isSurrogate(c)) continue;
      if (Character.isHighSurrogate(c)
          && i + 1 < text.length()
          && Character.isLowSurrogate(text.charAt(i + 1))) {
        i++;
        continue;
      }
      if (out == null) out = new StringBuilder(text);
      out.setCharAt(i, '\uFFFD');
    }
    return out == null ? text : out.toString();
  }
}
