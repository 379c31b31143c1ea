package dev.theriac.vision;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.io.SafeTensors;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The folders beside make_models.py, which says how they were made. */
final class ModelFixtures {
  private ModelFixtures() {}

  static Path folder(String name) {
    try {
      return Path.of(ModelFixtures.class.getResource("/models/" + name + "/config.json").toURI())
          .getParent();
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  static SafeTensors expected(String name) {
    return SafeTensors.open(folder(name).resolve("expected.safetensors"));
  }

  /** A copy of a folder's configuration and weights, to be changed. */
  static Path copy(String name, Path to) {
    try {
      for (String file : new String[] {"config.json", "model.safetensors"}) {
        Files.copy(folder(name).resolve(file), to.resolve(file));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return to;
  }

  /** Compares, with a tolerance relative to {@code scale}. */
  static void assertClose(
      String what, float[] got, float[] wanted, double scale, double tolerance) {
    assertThat(got).as(what).hasSameSizeAs(wanted);
    for (int i = 0; i < got.length; i++) {
      assertThat((double) got[i])
          .as("%s, value %d", what, i)
          .isCloseTo(wanted[i], within(tolerance * scale));
    }
  }

  static double largest(float[] values) {
    double largest = 0;
    for (float v : values) largest = Math.max(largest, Math.abs(v));
    return largest;
  }
}
