package dev.theriac.llm.tokenizer;

import java.util.Arrays;

/**
 * Text of a growing sequence of ids, given out as soon as it is final.
 *
 * <p>One character can be spread over several tokens (the bytes of an emoji, say). Text is held
 * back while its last character is unfinished, so joining everything that {@link #add} and {@link
 * #finish} return gives exactly {@code decode(ids, true)} of the whole sequence.
 *
 * <p>For one thread.
 */
public final class StreamingDecoder {
  private static final char UNFINISHED = '\uFFFD';

  /** Ids kept before the window; decoders that treat the first token specially need one. */
  private static final int CONTEXT = 1;

  /**
   * Longest window. An unfinished character holds at most three bytes, thus three tokens: a window
   * this long is a run of stray bytes, and only the last of them can still change.
   */
  private static final int LONGEST = 32;

  private final Tokenizer tokenizer;
  private int[] window = new int[LONGEST + CONTEXT + 1];
  private int size;
  private int givenOut;

  StreamingDecoder(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /** Takes the next id and returns the text that has become final, often empty or one word. */
  public String add(int id) {
    if (id >= 0 && (!tokenizer.has(id) || tokenizer.isSpecial(id))) {
      return ""; // as if it were not there: bytes before and after it may form a character
    }
    if (size == window.length) {
      window = Arrays.copyOf(window, 2 * size);
    }
    window[size++] = id;
    if (tokenizer.isByte(id)) return "";
    String text = tokenizer.decode(Arrays.copyOf(window, size), true);
    // Malformed UTF-8 is shown as one U+FFFD per stray piece; only the last piece can still grow.
    boolean unfinished = !text.isEmpty() && text.charAt(text.length() - 1) == UNFINISHED;
    int end = unfinished ? text.length() - 1 : text.length();
    String fresh = end > givenOut ? text.substring(givenOut, end) : "";
    givenOut = Math.max(givenOut, end);
    if (!unfinished) {
      restartAfter(size - CONTEXT);
    } else if (size > LONGEST) {
      // The first byte of the unfinished character lies within the last three tokens.
      dropStrayBytes();
    }
    return fresh;
  }

  /** The text still held back, at the end of the sequence; the decoder starts anew after it. */
  public String finish() {
    String text = tokenizer.decode(Arrays.copyOf(window, size), true);
    String rest = text.length() > givenOut ? text.substring(givenOut) : "";
    size = 0;
    givenOut = 0;
    return rest;
  }

  private void restartAfter(int first) {
    System.arraycopy(window, first, window, 0, size - first);
    size -= first;
    givenOut = tokenizer.decode(Arrays.copyOf(window, size), true).length();
  }

  private void dropStrayBytes() {
    int first = size - 4;
    String head = tokenizer.decode(Arrays.copyOf(window, first), true);
    String whole = tokenizer.decode(Arrays.copyOf(window, size), true);
    String tail = tokenizer.decode(Arrays.copyOfRange(window, first, size), true);
    // Cut only where no character crosses the cut.
    if (whole.equals(head + tail)) {
      System.arraycopy(window, first, window, 0, size - first);
      size -= first;
      givenOut = tail.length() - 1;
    }
  }
}
