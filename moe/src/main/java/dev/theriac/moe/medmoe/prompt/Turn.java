package dev.theriac.moe.medmoe.prompt;

import java.util.Objects;

/**
 * What one side says.
 *
 * @param text may hold {@code <image>} where the picture goes; never blank
 */
public record Turn(Role role, String text) {
  /** Checks that something is said. */
  public Turn {
    Objects.requireNonNull(role, "role");
    Objects.requireNonNull(text, "text");
    if (text.isBlank()) {
      throw new IllegalArgumentException(
          role == Role.USER
              ? "empty question: write what is asked about the image"
              : "empty answer: a conversation for training needs text to learn");
    }
  }
}
