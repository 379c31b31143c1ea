package dev.theriac.moe.medmoe.prompt;

import java.util.List;

/**
 * How a conversation is written out for the language model, byte for byte as the published model
 * was trained (arXiv 2404.10237 and its code).
 */
public enum Template {
  /** Chat template of the Phi-2 model. */
  PHI,
  /** Chat template of the StableLM-2 model; the same text as {@link #PHI}. */
  STABLELM,
  /** Picture and caption with nothing around them, for alignment. What the user says is dropped. */
  PLAIN;

  /** What opens every chat. */
  public static final String SYSTEM =
      "A chat between a curious user and an artificial intelligence assistant. The assistant gives"
          + " helpful, detailed, and polite answers to the user's questions.";

  /** What ends every answer. */
  public static final String END = "<|endoftext|>";

  static final String ANSWER_FOLLOWS = " ASSISTANT: ";

  /**
   * The text to train on.
   *
   * @throws IllegalArgumentException if the last turn is not an answer; with {@link #PLAIN} also if
   *     there are not exactly two turns with {@code <image>} in the first
   */
  public String training(Conversation conversation) {
    if (conversation.awaitsAnswer()) {
      throw new IllegalArgumentException("training needs an answer after the last question");
    }
    return this == PLAIN ? plain(conversation) : chat(conversation);
  }

  /** The text after which the model is to write the answer; ends in {@code ASSISTANT:}. */
  public String inference(Conversation conversation) {
    if (!conversation.awaitsAnswer()) {
      throw new IllegalArgumentException(
          "the last turn is an answer already: leave it out to have one written");
    }
    return this == PLAIN ? ImageTokens.MARK : chat(conversation) + "ASSISTANT:";
  }

  private static String chat(Conversation conversation) {
    StringBuilder text = new StringBuilder(SYSTEM).append(' ');
    for (Turn turn : conversation.turns()) {
      text.append(turn.role()).append(": ").append(turn.text());
      text.append(turn.role() == Role.USER ? " " : END);
    }
    return text.toString();
  }

  private static String plain(Conversation conversation) {
    List<Turn> turns = conversation.turns();
    if (turns.size() != 2 || !turns.getFirst().text().contains(ImageTokens.MARK)) {
      throw new IllegalArgumentException(
          "template PLAIN takes exactly 2 turns with <image> in the first, got %d turns beginning '%s'"
              .formatted(turns.size(), turns.getFirst().text()));
    }
    return ImageTokens.MARK + turns.getLast().text() + "\n";
  }
}
