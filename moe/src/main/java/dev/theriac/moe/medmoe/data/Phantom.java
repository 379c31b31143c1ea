package dev.theriac.moe.medmoe.data;

import dev.theriac.vision.image.Image;
import java.util.List;
import java.util.Objects;

/**
 * A drawn picture with what was drawn. Synthetic: no patient, no photograph, no medical meaning.
 *
 * @param image 8-bit RGB, square
 * @param finding what was drawn in, or {@link Finding#NONE}
 * @param side where, or {@link Side#NONE} for a finding without a side
 * @param count how many of the finding there are: 0 without a finding, up to 3 for mitoses, else 1
 * @param caption one English sentence about the picture
 * @param questions closed and open questions with their answers
 */
public record Phantom(
    Image image,
    Modality modality,
    Finding finding,
    Side side,
    int count,
    String caption,
    List<Question> questions) {
  /** Copies the list of questions. */
  public Phantom {
    Objects.requireNonNull(image, "image");
    Objects.requireNonNull(modality, "modality");
    Objects.requireNonNull(finding, "finding");
    Objects.requireNonNull(side, "side");
    Objects.requireNonNull(caption, "caption");
    questions = List.copyOf(questions);
  }
}
