package dev.theriac.moe.medmoe.data;

import java.util.Objects;

/** One question about a picture with its reference answer. */
public record Question(String text, String answer, AnswerType type) {
  /** Checks that nothing is null. */
  public Question {
    Objects.requireNonNull(text, "text");
    Objects.requireNonNull(answer, "answer");
    Objects.requireNonNull(type, "type");
  }
}
