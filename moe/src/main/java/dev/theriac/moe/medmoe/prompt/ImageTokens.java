package dev.theriac.moe.medmoe.prompt;

import dev.theriac.llm.tokenizer.Tokenizer;
import java.util.stream.IntStream;

/** The place of a picture in a prompt: a mark in the text, one id, many positions. */
public final class ImageTokens {
  /** Stands in text where the picture goes. */
  public static final String MARK = "<image>";

  /** Stands among token ids where the picture goes; no vocabulary has it. */
  public static final int ID = -200;

  private ImageTokens() {}

  /**
   * Ids of a prompt: the text between marks is encoded piece by piece, with {@link #ID} between.
   */
  public static int[] encode(Tokenizer tokenizer, String prompt) {
    IntStream.Builder ids = IntStream.builder();
    int from = 0;
    while (true) {
      int mark = prompt.indexOf(MARK, from);
      String piece = prompt.substring(from, mark < 0 ? prompt.length() : mark);
      IntStream.of(tokenizer.encode(piece)).forEach(ids);
      if (mark < 0) {
        return ids.build().toArray();
      }
      ids.add(ID);
      from = mark + MARK.length();
    }
  }

  /** Occurrences of {@link #MARK}. */
  public static int count(String text) {
    int count = 0;
    for (int at = text.indexOf(MARK); at >= 0; at = text.indexOf(MARK, at + MARK.length())) {
      count++;
    }
    return count;
  }

  /** Occurrences of {@link #ID}. */
  public static int count(int[] ids) {
    return (int) IntStream.of(ids).filter(id -> id == ID).count();
  }

  /**
   * Positions that {@code ids} ids take up once each of {@code images} among them has become {@code
   * patches} vectors.
   */
  public static int expandedLength(int ids, int images, int patches) {
    return Math.addExact(ids, Math.multiplyExact(images, patches - 1));
  }
}
