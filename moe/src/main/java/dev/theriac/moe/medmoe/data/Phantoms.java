package dev.theriac.moe.medmoe.data;

import java.util.List;
import java.util.stream.IntStream;

/**
 * The built-in data set: pictures that look a little like an X-ray projection, a CT slice, an MRI
 * slice and a stained tissue section, with findings drawn in, captions, questions and modality
 * labels. <strong>All of it is synthetic</strong>: drawn by this class from random numbers, with no
 * photograph and no patient behind it, and of no medical value. It exists so that training,
 * evaluation and tests run with nothing to download.
 *
 * <p>Item {@code i} depends on nothing but (seed, split, i, size): the same arguments give the same
 * bytes on every machine, and a longer set begins with the shorter one. Modalities take turns
 * ({@code i mod 4}); findings and sides are drawn evenly.
 *
 * <p>Training and test sets share no picture, whatever their seeds: their random streams differ,
 * and the lowest bit of the very last sample (blue of the bottom right pixel) is 0 in training and
 * 1 in test pictures.
 *
 * <p>Left and right are sides of the picture, not of a patient.
 */
public final class Phantoms {

  /** Side of the pictures, in pixels, unless another is asked for. */
  public static final int DEFAULT_SIZE = 32;

  private static final int SMALLEST = 16;
  private static final int LARGEST = 1024;

  private Phantoms() {}

  /** The first {@code n} training phantoms of a seed, {@link #DEFAULT_SIZE} pixels wide. */
  public static List<Phantom> train(long seed, int n) {
    return train(seed, n, DEFAULT_SIZE);
  }

  /**
   * The first {@code n} training phantoms of a seed.
   *
   * @param size side of the square pictures, 16 to 1024 pixels; findings are made to be seen from
   *     32 pixels on
   * @throws IllegalArgumentException if {@code n} is negative or the size out of range
   */
  public static List<Phantom> train(long seed, int n, int size) {
    return generate(seed, 0, n, size);
  }

  /** The first {@code n} test phantoms of a seed, {@link #DEFAULT_SIZE} pixels wide. */
  public static List<Phantom> test(long seed, int n) {
    return test(seed, n, DEFAULT_SIZE);
  }

  /** The first {@code n} test phantoms of a seed; arguments as of {@link #train}. */
  public static List<Phantom> test(long seed, int n, int size) {
    return generate(seed, 1, n, size);
  }

  private static List<Phantom> generate(long seed, int split, int n, int size) {
    if (n < 0) {
      throw new IllegalArgumentException("phantoms: n is %d, must be 0 or more".formatted(n));
    }
    if (size < SMALLEST || size > LARGEST) {
      throw new IllegalArgumentException(
          "phantoms: size %d, must be %d to %d pixels".formatted(size, SMALLEST, LARGEST));
    }
    return IntStream.range(0, n).mapToObj(i -> phantom(seed, split, i, size)).toList();
  }

  private static Phantom phantom(long seed, int split, int index, int size) {
    PhantomRandom random = new PhantomRandom(seed, split, index);
    Modality modality = Modality.values()[index % Modality.values().length];
    Finding finding = random.pick(PhantomText.findingsOf(modality));
    Side side = Side.NONE;
    if (finding.sided()) {
      side = random.coin() ? Side.LEFT : Side.RIGHT;
    }
    int count =
        switch (finding) {
          case NONE -> 0;
          case MITOSIS -> 1 + random.below(3);
          default -> 1;
        };
    String caption = PhantomText.caption(modality, finding, side, count, random);
    List<Question> questions = PhantomText.questions(modality, finding, side, count, random);
    return new Phantom(
        new PhantomPainter(size, split, random).paint(modality, finding, side, count),
        modality,
        finding,
        side,
        count,
        caption,
        questions);
  }
}
