package dev.theriac.backend;

import java.util.Arrays;

/**
 * Angles of a rotary embedding: dimension i of the first half of the rotated ones turns by position
 * * inverse[i]; cosine and sine are multiplied by {@code scale}. Immutable, thread-safe.
 */
public final class RopeFrequencies {
  private final double[] inverse;
  private final double scale;

  /**
   * @param inverse one for each pair of dimensions, radians for each position
   * @param scale of cosines and sines; 1 but for YaRN
   */
  public RopeFrequencies(double[] inverse, double scale) {
    this.inverse = inverse.clone();
    this.scale = scale;
  }

  /** theta^(-2i/rotary), as published (Su et al., RoFormer). */
  public static RopeFrequencies of(int rotary, double theta) {
    double[] inverse = new double[rotary / 2];
    for (int i = 0; i < inverse.length; i++) {
      inverse[i] = StrictMath.pow(theta, -2.0 * i / rotary);
    }
    return new RopeFrequencies(inverse, 1);
  }

  /** Rotated dimensions, even. */
  public int rotary() {
    return 2 * inverse.length;
  }

  /** Radians for each position of pair {@code i}. */
  public double inverse(int i) {
    return inverse[i];
  }

  /** Factor of cosines and sines. */
  public double scale() {
    return scale;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof RopeFrequencies f
        && f.scale == scale
        && Arrays.equals(f.inverse, inverse);
  }

  @Override
  public int hashCode() {
    return 31 * Arrays.hashCode(inverse) + Double.hashCode(scale);
  }

  @Override
  public String toString() {
    return "RopeFrequencies[%d rotated dimensions, scale %s]".formatted(rotary(), scale);
  }
}
