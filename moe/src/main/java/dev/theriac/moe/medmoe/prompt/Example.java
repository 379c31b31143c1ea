package dev.theriac.moe.medmoe.prompt;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * One tokenised conversation, before pictures take their places.
 *
 * @param ids token ids, {@link ImageTokens#ID} for a picture
 * @param labels for each id the id to be learnt there, or {@link #IGNORE}; not shifted
 */
public record Example(int[] ids, int[] labels) {
  /** Label of a position that is not learnt. */
  public static final int IGNORE = -100;

  /** Checks that both have one length. */
  public Example {
    if (ids.length != labels.length) {
      throw new IllegalArgumentException(
          "example with %d ids and %d labels: one label per id"
              .formatted(ids.length, labels.length));
    }
  }

  /** Number of ids; a picture counts 1. */
  public int length() {
    return ids.length;
  }

  /** Number of pictures. */
  public int images() {
    return ImageTokens.count(ids);
  }

  /** Number of ids that are learnt. */
  public int learned() {
    return (int) IntStream.of(labels).filter(label -> label != IGNORE).count();
  }

  /** The first {@code length} ids, where a picture counts 1. */
  public Example truncated(int length) {
    return length >= ids.length
        ? this
        : new Example(Arrays.copyOf(ids, length), Arrays.copyOf(labels, length));
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Example that
        && Arrays.equals(ids, that.ids)
        && Arrays.equals(labels, that.labels);
  }

  @Override
  public int hashCode() {
    return 31 * Arrays.hashCode(ids) + Arrays.hashCode(labels);
  }

  @Override
  public String toString() {
    return "Example[ids=" + Arrays.toString(ids) + ", labels=" + Arrays.toString(labels) + "]";
  }
}
