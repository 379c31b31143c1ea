package dev.theriac.moe.medmoe.prompt;

import java.util.ArrayList;
import java.util.List;

/**
 * Turns that alternate, the user first.
 *
 * @param turns at least one; ends with the user's turn where an answer is wanted, with the
 *     assistant's where one is to be learnt
 */
public record Conversation(List<Turn> turns) {
  /** Checks the order of the roles. */
  public Conversation {
    turns = List.copyOf(turns);
    if (turns.isEmpty()) {
      throw new IllegalArgumentException("a conversation needs at least one turn");
    }
    for (int i = 0; i < turns.size(); i++) {
      Role expected = i % 2 == 0 ? Role.USER : Role.ASSISTANT;
      if (turns.get(i).role() != expected) {
        throw new IllegalArgumentException(
            "turn %d is the %s's, expected the %s's: roles alternate and the user begins"
                .formatted(i, name(turns.get(i).role()), name(expected)));
      }
    }
  }

  private static String name(Role role) {
    return role == Role.USER ? "user" : "assistant";
  }

  /** One question with its answer; both are taken as they are. */
  public static Conversation of(String question, String answer) {
    return new Conversation(
        List.of(new Turn(Role.USER, question), new Turn(Role.ASSISTANT, answer)));
  }

  /** One question and its answer with the picture in front, as evaluation asks. */
  public static Conversation aboutImage(String question, String answer) {
    return of(imageFirst(question), answer);
  }

  /** One question about a picture, waiting for the answer. */
  public static Conversation ask(String question) {
    return new Conversation(List.of(new Turn(Role.USER, imageFirst(question))));
  }

  /**
   * The question with {@code <image>} moved to its front and a line break after it.
   *
   * @throws IllegalArgumentException if nothing is asked
   */
  public static String imageFirst(String question) {
    String words = question.replace(ImageTokens.MARK, "").strip();
    if (words.isEmpty()) {
      throw new IllegalArgumentException("empty question: write what is asked about the image");
    }
    return ImageTokens.MARK + "\n" + words;
  }

  /**
   * The same conversation without its last answer, and the picture in front of the first turn,
   * wherever it was before.
   */
  public Conversation asQuestion() {
    List<Turn> kept = awaitsAnswer() ? turns : turns.subList(0, turns.size() - 1);
    List<Turn> asked = new ArrayList<>();
    asked.add(new Turn(Role.USER, imageFirst(kept.getFirst().text())));
    for (Turn turn : kept.subList(1, kept.size())) {
      String text = turn.text();
      boolean marked = text.contains(ImageTokens.MARK);
      asked.add(marked ? new Turn(turn.role(), text.replace(ImageTokens.MARK, "").strip()) : turn);
    }
    return new Conversation(asked);
  }

  /** Whether the last turn is the user's. */
  public boolean awaitsAnswer() {
    return turns.getLast().role() == Role.USER;
  }

  /**
   * The last answer.
   *
   * @throws IllegalStateException if the conversation still waits for it
   */
  public String answer() {
    if (awaitsAnswer()) {
      throw new IllegalStateException("the conversation has no answer yet");
    }
    return turns.getLast().text();
  }

  /** How many times {@code <image>} occurs. */
  public int images() {
    return turns.stream().mapToInt(turn -> ImageTokens.count(turn.text())).sum();
  }
}
