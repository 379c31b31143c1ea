package dev.theriac.moe.medmoe.data;

import dev.theriac.vision.image.Image;
import java.nio.file.Path;
import java.util.Objects;

/** Where the picture of a sample comes from. */
public sealed interface ImageSource {
  /** For samples of text alone. */
  ImageSource NONE = new None();

  /**
   * A file, read when it is needed.
   *
   * @param path an existing file at the time when the data set was read
   */
  record File(Path path) implements ImageSource {
    /** Checks that nothing is null. */
    public File {
      Objects.requireNonNull(path, "path");
    }
  }

  /** A picture in memory. */
  record InMemory(Image image) implements ImageSource {
    /** Checks that nothing is null. */
    public InMemory {
      Objects.requireNonNull(image, "image");
    }
  }

  /** No picture. */
  record None() implements ImageSource {}
}
