package dev.theriac.moe.medmoe.data;

import dev.theriac.vision.image.Image;
import dev.theriac.vision.image.Images;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Objects;

/** Where the picture of a sample comes from. */
public sealed interface ImageSource {
  /** For samples of text alone. */
  ImageSource NONE = new None();

  /**
   * The picture.
   *
   * @throws DataException if its file cannot be read as a picture; names the file
   * @throws IllegalStateException if there is none
   */
  default Image load() {
    return switch (this) {
      case InMemory(Image image) -> image;
      case None() -> throw new IllegalStateException("a sample of text alone has no picture");
      case File(Path path) -> {
        try {
          yield Images.read(path);
        } catch (NoSuchFileException e) {
          throw new DataException(path + ": the image file is gone since the data was read", e);
        } catch (IOException e) {
          throw new DataException(e.getMessage(), e);
        }
      }
    };
  }

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
