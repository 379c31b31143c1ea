package dev.theriac.moe.medmoe.data;

import dev.theriac.moe.medmoe.prompt.Conversation;
import java.util.Objects;

/**
 * One item of a data set.
 *
 * @param id as its file has it, or made up; unique within a file as a rule, but never relied on
 * @param image its picture
 * @param modality what kind of picture, or null where nobody said
 * @param conversation what is asked and answered; holds one {@code <image>} unless there is no
 *     picture
 * @param answerType how the last answer is scored, or null where it is not
 */
public record Sample(
    String id,
    ImageSource image,
    Modality modality,
    Conversation conversation,
    AnswerType answerType) {
  /** Checks that what must be there is. */
  public Sample {
    Objects.requireNonNull(id, "id");
    Objects.requireNonNull(image, "image");
    Objects.requireNonNull(conversation, "conversation");
  }
}
