package dev.theriac.moe.medmoe.prompt;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Examples side by side with room for their pictures, as plain arrays from which tensors are made.
 *
 * <p>Rows are filled from the left; what is left over at their right end is padding, which embeds
 * as zero vectors, is not attended to and not learnt. All matrices are {@code size x length}, row
 * by row, so that {@code row * length + column} is an index into each of them.
 *
 * <p>Immutable by convention: the arrays are shared, so do not write to them.
 */
public final class Batch {
  private final int size;
  private final int length;
  private final int patches;
  private final int[] ids;
  private final int[] labels;
  private final int[] lengths;
  private final int[] imageOwners;

  private Batch(List<Example> examples, int patches, int padId) {
    size = examples.size();
    this.patches = patches;
    lengths =
        examples.stream()
            .mapToInt(e -> ImageTokens.expandedLength(e.length(), e.images(), patches))
            .toArray();
    length = IntStream.of(lengths).max().orElse(0);
    ids = new int[Math.multiplyExact(size, length)];
    labels = new int[ids.length];
    Arrays.fill(ids, padId);
    Arrays.fill(labels, Example.IGNORE);
    for (int row = 0; row < size; row++) {
      fill(examples.get(row), row * length);
    }
    imageOwners =
        IntStream.range(0, size)
            .flatMap(row -> IntStream.range(0, examples.get(row).images()).map(i -> row))
            .toArray();
  }

  /**
   * Lays out examples for pictures of {@code patches} vectors each.
   *
   * @throws IllegalArgumentException if there is no example, or no patch
   */
  public static Batch of(List<Example> examples, int patches, int padId) {
    if (examples.isEmpty() || patches < 1) {
      throw new IllegalArgumentException(
          "batch of %d examples with %d patches per image: both must be 1 or more"
              .formatted(examples.size(), patches));
    }
    return new Batch(examples, patches, padId);
  }

  private void fill(Example example, int start) {
    int at = start;
    for (int i = 0; i < example.length(); i++) {
      int id = example.ids()[i];
      if (id == ImageTokens.ID) {
        Arrays.fill(ids, at, at + patches, ImageTokens.ID);
        at += patches;
      } else {
        ids[at] = id;
        labels[at] = example.labels()[i];
        at++;
      }
    }
  }

  /** Rows. */
  public int size() {
    return size;
  }

  /** Columns: positions of the longest row, its pictures included. */
  public int length() {
    return length;
  }

  /** Positions of one picture. */
  public int patches() {
    return patches;
  }

  /** Token ids, size x length; {@link ImageTokens#ID} under a picture, the pad id at the end. */
  public int[] ids() {
    return ids;
  }

  /** Labels, size x length, not shifted; {@link Example#IGNORE} under pictures and padding. */
  public int[] labels() {
    return labels;
  }

  /** Labels moved one to the left: what the logits at each position are to predict. */
  public int[] nextLabels() {
    int[] next = new int[labels.length];
    for (int row = 0; row < size; row++) {
      System.arraycopy(labels, row * length + 1, next, row * length, length - 1);
      next[(row + 1) * length - 1] = Example.IGNORE;
    }
    return next;
  }

  /** Positions in use in each row; attention reaches no further. */
  public int[] lengths() {
    return lengths;
  }

  /** For each picture, in the order in which their patches lie in the batch, the row it is in. */
  public int[] imageOwners() {
    return imageOwners;
  }

  /** Flat indices of the text positions, ascending; padding is left out. */
  public int[] textPositions() {
    return positions(false);
  }

  /** Flat indices of the picture positions, ascending: {@code patches} per picture. */
  public int[] imagePositions() {
    return positions(true);
  }

  private int[] positions(boolean image) {
    return IntStream.range(0, size)
        .flatMap(row -> IntStream.range(row * length, row * length + lengths[row]))
        .filter(at -> (ids[at] == ImageTokens.ID) == image)
        .toArray();
  }
}
