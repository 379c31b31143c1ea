package dev.theriac.nn;

import dev.theriac.backend.RopeFrequencies;

/**
 * How rotary frequencies are changed so that a model reads texts longer than those that it was
 * trained on; the names are those of {@code rope_parameters} in {@code config.json}.
 *
 * @param kind which rule
 * @param factor by how much texts are longer
 * @param originalPositions longest text before
 * @param low LLAMA3: low_freq_factor; YARN: beta_slow
 * @param high LLAMA3: high_freq_factor; YARN: beta_fast
 * @param attentionFactor YARN: factor of cosines and sines; 1 for the others
 * @param truncate YARN: whether the bounds of the ramp are whole numbers
 */
public record RopeScaling(
    Kind kind,
    double factor,
    long originalPositions,
    double low,
    double high,
    double attentionFactor,
    boolean truncate) {
  /** The rules. */
  public enum Kind {
    /** Frequencies as trained. */
    DEFAULT,
    /** All divided by the factor (Chen et al., "Extending context window by interpolation"). */
    LINEAR,
    /**
     * A larger base for texts longer than the original, by the longest position of a call ("NTK
     * aware"). Keys that are cached keep the rotation they got.
     */
    DYNAMIC,
    /** Slow ones divided by the factor, fast ones kept, between them a ramp (Llama 3.1). */
    LLAMA3,
    /** As LLAMA3 with another ramp, and a factor on cosines and sines (Peng et al., "YaRN"). */
    YARN
  }

  /** Frequencies as trained. */
  public static final RopeScaling NONE = new RopeScaling(Kind.DEFAULT, 1, 0, 0, 0, 1, true);

  public RopeScaling {
    boolean scaled = kind != Kind.DEFAULT;
    boolean ranged = kind == Kind.LLAMA3 || kind == Kind.YARN;
    if (scaled && (!(factor >= 1) || originalPositions < 1)
        || ranged && !(low > 0 && high > low)
        || !(attentionFactor > 0)) {
      throw new IllegalArgumentException(
          ("rope scaling: %s by %s from %d positions, low %s, high %s, attention factor %s; a"
                  + " factor of 1 or more and 0 < low < high are wanted")
              .formatted(kind, factor, originalPositions, low, high, attentionFactor));
    }
  }

  /** {@link Kind#LINEAR}. */
  public static RopeScaling linear(double factor, long originalPositions) {
    return new RopeScaling(Kind.LINEAR, factor, originalPositions, 0, 0, 1, true);
  }

  /** {@link Kind#DYNAMIC}. */
  public static RopeScaling dynamic(double factor, long originalPositions) {
    return new RopeScaling(Kind.DYNAMIC, factor, originalPositions, 0, 0, 1, true);
  }

  /** {@link Kind#LLAMA3}. */
  public static RopeScaling llama3(
      double factor, double lowFreqFactor, double highFreqFactor, long originalPositions) {
    return new RopeScaling(
        Kind.LLAMA3, factor, originalPositions, lowFreqFactor, highFreqFactor, 1, true);
  }

  /** Longest text that the scaled frequencies are meant for; 0 for {@link #NONE}. */
  public long reach() {
    return kind == Kind.DEFAULT ? 0 : (long) (factor * originalPositions);
  }

  /** Whether the frequencies depend on the length of the text. */
  public boolean dependsOnLength() {
    return kind == Kind.DYNAMIC;
  }

  /**
   * The frequencies for texts of {@code length} positions.
   *
   * @param rotary rotated dimensions, even
   * @param theta base of the frequencies as trained
   */
  public RopeFrequencies frequencies(int rotary, double theta, long length) {
    double[] inverse = new double[rotary / 2];
    double base = theta;
    if (kind == Kind.DYNAMIC && length > originalPositions) {
      double stretch = factor * length / originalPositions - (factor - 1);
      base = theta * StrictMath.pow(stretch, rotary / (rotary - 2.0));
    }
    for (int i = 0; i < inverse.length; i++) {
      double plain = StrictMath.pow(base, -2.0 * i / rotary);
      inverse[i] =
          switch (kind) {
            case DEFAULT, DYNAMIC -> plain;
            case LINEAR -> plain / factor;
            case LLAMA3 -> llama3(plain);
            case YARN -> yarn(plain, i, rotary, theta);
          };
    }
    return new RopeFrequencies(inverse, attentionFactor);
  }

  private double llama3(double plain) {
    double turns = originalPositions * plain / (2 * Math.PI);
    if (turns > high) return plain;
    if (turns < low) return plain / factor;
    double smooth = (turns - low) / (high - low);
    return (1 - smooth) * plain / factor + smooth * plain;
  }

  private double yarn(double plain, int i, int rotary, double theta) {
    double from = Math.max(bound(high, rotary, theta, true), 0);
    double to = Math.min(bound(low, rotary, theta, false), rotary - 1);
    if (from == to) to += 0.001;
    double ramp = Math.clamp((i - from) / (to - from), 0, 1);
    return plain / factor * ramp + plain * (1 - ramp);
  }

  /** The dimension that turns so many times in an original text. */
  private double bound(double turns, int rotary, double theta, boolean down) {
    double at =
        rotary
            * StrictMath.log(originalPositions / (turns * 2 * Math.PI))
            / (2 * StrictMath.log(theta));
    if (!truncate) return at;
    return down ? Math.floor(at) : Math.ceil(at);
  }
}
