package dev.theriac.llm;

import dev.theriac.llm.tokenizer.StreamingDecoder;
import dev.theriac.llm.tokenizer.Tokenizer;
import java.util.List;
import java.util.OptionalInt;

/** The text of a row that grows, and whether a stop string has come to stand at its end. */
final class RowText {
  /** Tokens of the prompt that are decoded again, so that a stop string may begin in it. */
  private static final int CONTEXT = 64;

  private final Tokenizer tokenizer;
  private final List<String> stops;
  private final StreamingDecoder decoder;
  private final int longest;
  private String tail = "";
  private boolean stopped;

  /**
   * @param prompt ids before the new ones; may be empty
   */
  RowText(Tokenizer tokenizer, List<String> stops, int[] prompt) {
    this.tokenizer = tokenizer;
    this.stops = stops;
    decoder = tokenizer.streaming();
    longest = stops.stream().mapToInt(String::length).max().orElse(0);
    for (int i = Math.max(0, prompt.length - CONTEXT); i < prompt.length; i++) {
      remember(decoder.add(prompt[i]));
    }
  }

  /** Takes the next id and returns the text that has become final. */
  String add(int id) {
    String fresh = decoder.add(id);
    String text = tail + fresh;
    for (String stop : stops) {
      int from = Math.max(0, tail.length() - stop.length() + 1);
      OptionalInt token = tokenizer.id(stop);
      stopped |= text.indexOf(stop, from) >= 0 || token.isPresent() && token.getAsInt() == id;
    }
    remember(fresh);
    return fresh;
  }

  /** The text still held back at the end. */
  String finish() {
    return decoder.finish();
  }

  boolean stopped() {
    return stopped;
  }

  private void remember(String fresh) {
    String text = tail + fresh;
    tail = text.substring(Math.max(0, text.length() - longest));
  }
}
