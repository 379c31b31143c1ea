package dev.theriac.vision.image;

import java.util.Arrays;

/**
 * How a picture becomes the input of an image encoder.
 *
 * @param size side of the square input, pixels
 * @param pad true: put the picture on a square of the mean colour first; false: resize the shorter
 *     side and cut off the ends of the longer one
 * @param mean of red, green and blue on a scale from 0 to 1; subtracted
 * @param std of red, green and blue; divided by
 */
public record Preprocessing(int size, boolean pad, float[] mean, float[] std) {

  /** Largest side, pixels. */
  public static final int MAX_SIZE = 8192;

  private static final float[] CLIP_MEAN = {0.48145466f, 0.4578275f, 0.40821073f};
  private static final float[] CLIP_STD = {0.26862954f, 0.26130258f, 0.27577711f};

  /**
   * Copies the arrays.
   *
   * @throws IllegalArgumentException if the size is not 1 to 8192, an array has not three values, a
   *     mean lies outside 0 to 1 or a deviation is not positive
   */
  public Preprocessing {
    if (size < 1 || size > MAX_SIZE) {
      throw new IllegalArgumentException(
          "preprocessing: size %d, must be 1 to %d pixels".formatted(size, MAX_SIZE));
    }
    if (mean.length != 3 || std.length != 3) {
      throw new IllegalArgumentException(
          "preprocessing: %d means and %d deviations; give one each for red, green and blue"
              .formatted(mean.length, std.length));
    }
    for (int c = 0; c < 3; c++) {
      if (!(mean[c] >= 0 && mean[c] <= 1) || !(std[c] > 0 && std[c] < Float.POSITIVE_INFINITY)) {
        throw new IllegalArgumentException(
            "preprocessing: mean %s and deviation %s; a mean is 0 to 1, a deviation above 0"
                .formatted(mean[c], std[c]));
      }
    }
    mean = mean.clone();
    std = std.clone();
  }

  /** With the mean and deviation of CLIP (Radford et al., 2021); CLIP ViT-L/14-336 has size 336. */
  public static Preprocessing clip(int size, boolean pad) {
    return new Preprocessing(size, pad, CLIP_MEAN, CLIP_STD);
  }

  /** A copy of the three means. */
  @Override
  public float[] mean() {
    return mean.clone();
  }

  /** A copy of the three deviations. */
  @Override
  public float[] std() {
    return std.clone();
  }

  /** The same with or without padding. */
  public Preprocessing withPad(boolean value) {
    return new Preprocessing(size, value, mean, std);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Preprocessing that
        && size == that.size
        && pad == that.pad
        && Arrays.equals(mean, that.mean)
        && Arrays.equals(std, that.std);
  }

  @Override
  public int hashCode() {
    return 31 * (31 * size + Boolean.hashCode(pad))
        + 31 * Arrays.hashCode(mean)
        + Arrays.hashCode(std);
  }

  @Override
  public String toString() {
    return "Preprocessing[size %d, %s, mean %s, std %s]"
        .formatted(size, pad ? "pad" : "crop", Arrays.toString(mean), Arrays.toString(std));
  }
}
