package dev.theriac.vision.image;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Objects;

/** The files beside make_fixtures.py, which says how they were made. */
final class Fixtures {
  private Fixtures() {}

  static byte[] bytes(String name) {
    try (InputStream in = Fixtures.class.getResourceAsStream("/images/" + name)) {
      return Objects.requireNonNull(in, name).readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Image image(String name) {
    try {
      return Images.decode(bytes(name), name);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
