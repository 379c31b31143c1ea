package dev.theriac.train;

import dev.theriac.tensor.Rng;

/** A generator's state as text: seed, stream and position. */
public final class RngState {
  private RngState() {}

  public static String save(Rng rng) {
    return rng.seed() + ":" + rng.stream() + ":" + rng.position();
  }

  /**
   * Puts {@code rng} where {@link #save} found it.
   *
   * @throws IllegalArgumentException when the text is not a state, or of another seed or stream
   */
  public static void restore(Rng rng, String text) {
    String[] parts = String.valueOf(text).split(":");
    String mine = rng.seed() + ":" + rng.stream() + ":";
    if (parts.length != 3 || !text.startsWith(mine) || !parts[2].matches("-?\\d{1,19}")) {
      throw new IllegalArgumentException(
          "generator state \"%s\" is not of the generator with seed %d and stream %d"
              .formatted(text, rng.seed(), rng.stream()));
    }
    rng.seek(Long.parseLong(parts[2]));
  }
}
