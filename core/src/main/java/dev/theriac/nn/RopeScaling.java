package dev.theriac.nn;

import dev.theriac.backend.RopeFrequencies;
import java.util.List;

/**
 * How rotary frequencies are changed so that a model reads texts longer than those that it was
 * trained on; the names are those of {@code rope_parameters} in {@code config.json}.
 *
 * @param kind which rule
 * @param factor by how much texts are longer; PROPORTIONAL: what all frequencies are divided by
 * @param originalPositions longest text before
 * @param low LLAMA3: low_freq_factor; YARN: beta_slow
 * @param high LLAMA3: high_freq_factor; YARN: beta_fast
 * @param attentionFactor YARN and LONGROPE: factor of cosines and sines; 1 for the others
 * @param truncate YARN: whether the bounds of the ramp are whole numbers
 * @param shortFactors LONGROPE: divisor of each frequency for texts of up to {@code
 *     originalPositions}; empty for the others
 * @param longFactors LONGROPE: the same for longer ones
 * @param share PROPORTIONAL: share of the pairs of dimensions that turn; 1 for the others
 */
public record RopeScaling(
    Kind kind,
    double factor,
    long originalPositions,
    double low,
    double high,
    double attentionFactor,
    boolean truncate,
    List<Double> shortFactors,
    List<Double> longFactors,
    double share) {
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
    YARN,
    /**
     * A divisor for each frequency, one list for short texts and one for long, by the longest
     * position of a call (Ding et al., "LongRoPE"). Keys that are cached keep the rotation they
     * got.
     */
    LONGROPE,
    /** The fastest pairs turn, spread as if all did; the others stand still. */
    PROPORTIONAL
  }

  // Beyond it numbers of files are mistakes, and infinities come out.
  private static final double LARGEST = 1e9;

  /** Frequencies as trained. */
  public static final RopeScaling NONE = plain(Kind.DEFAULT, 1, 0);

  public RopeScaling {
    shortFactors = List.copyOf(shortFactors);
    longFactors = List.copyOf(longFactors);
    boolean scaled = kind != Kind.DEFAULT;
    boolean ranged = kind == Kind.LLAMA3 || kind == Kind.YARN;
    if (scaled && (!(factor >= 1 && factor < LARGEST) || originalPositions < 1)
        || ranged && !(low > 0 && high > low && high < LARGEST)
        || !(attentionFactor > 0 && attentionFactor < LARGEST)
        || !(share >= 0 && share <= 1)) {
      throw new IllegalArgumentException(
          ("rope scaling: %s by %s from %d positions, low %s, high %s, attention factor %s, share"
                  + " %s; a factor of 1 or more, 0 < low < high, and a share from 0 to 1 are"
                  + " wanted")
              .formatted(kind, factor, originalPositions, low, high, attentionFactor, share));
    }
    for (List<Double> factors : List.of(shortFactors, longFactors)) {
      if (!factors.stream().allMatch(f -> f > 0 && f < LARGEST)) {
        throw new IllegalArgumentException(
            "rope scaling: factors %s; numbers above 0 are wanted".formatted(factors));
      }
    }
  }

  private static RopeScaling plain(Kind kind, double factor, long originalPositions) {
    return new RopeScaling(kind, factor, originalPositions, 0, 0, 1, true, List.of(), List.of(), 1);
  }

  /** {@link Kind#LINEAR}. */
  public static RopeScaling linear(double factor, long originalPositions) {
    return plain(Kind.LINEAR, factor, originalPositions);
  }

  /** {@link Kind#DYNAMIC}. */
  public static RopeScaling dynamic(double factor, long originalPositions) {
    return plain(Kind.DYNAMIC, factor, originalPositions);
  }

  /** {@link Kind#LLAMA3}. */
  public static RopeScaling llama3(
      double factor, double lowFreqFactor, double highFreqFactor, long originalPositions) {
    return new RopeScaling(
        Kind.LLAMA3,
        factor,
        originalPositions,
        lowFreqFactor,
        highFreqFactor,
        1,
        true,
        List.of(),
        List.of(),
        1);
  }

  /** {@link Kind#YARN}. */
  public static RopeScaling yarn(
      double factor,
      long originalPositions,
      double betaSlow,
      double betaFast,
      double attentionFactor,
      boolean truncate) {
    return new RopeScaling(
        Kind.YARN,
        factor,
        originalPositions,
        betaSlow,
        betaFast,
        attentionFactor,
        truncate,
        List.of(),
        List.of(),
        1);
  }

  /** {@link Kind#LONGROPE}. */
  public static RopeScaling longRope(
      double factor,
      long originalPositions,
      List<Double> shortFactors,
      List<Double> longFactors,
      double attentionFactor) {
    return new RopeScaling(
        Kind.LONGROPE,
        factor,
        originalPositions,
        0,
        0,
        attentionFactor,
        true,
        shortFactors,
        longFactors,
        1);
  }

  /** {@link Kind#PROPORTIONAL}. */
  public static RopeScaling proportional(double factor, long originalPositions, double share) {
    return new RopeScaling(
        Kind.PROPORTIONAL, factor, originalPositions, 0, 0, 1, true, List.of(), List.of(), share);
  }

  /**
   * Checks that so many dimensions can be turned.
   *
   * @throws IllegalArgumentException when lists of factors have another length, or two dimensions
   *     have no base to change
   */
  public void checkRotary(int rotary) {
    boolean lists = kind == Kind.LONGROPE;
    if (lists && (shortFactors.size() != rotary / 2 || longFactors.size() != rotary / 2)) {
      throw new IllegalArgumentException(
          "rope scaling: %d short and %d long factors for %d pairs of dimensions"
              .formatted(shortFactors.size(), longFactors.size(), rotary / 2));
    }
    if (kind == Kind.DYNAMIC && rotary < 4) {
      throw new IllegalArgumentException(
          "rope scaling: DYNAMIC for %d rotary dimensions; 4 or more are wanted".formatted(rotary));
    }
  }

  /** Longest text that the scaled frequencies are meant for; 0 for {@link #NONE}. */
  public long reach() {
    return kind == Kind.DEFAULT ? 0 : (long) (factor * originalPositions);
  }

  /** Whether the frequencies depend on the length of the text. */
  public boolean dependsOnLength() {
    return kind == Kind.DYNAMIC || kind == Kind.LONGROPE;
  }

  /**
   * The frequencies for texts of {@code length} positions.
   *
   * @param rotary rotated dimensions, even
   * @param theta base of the frequencies as trained
   */
  public RopeFrequencies frequencies(int rotary, double theta, long length) {
    checkRotary(rotary);
    double[] inverse = new double[rotary / 2];
    int turning = (int) (share * rotary) / 2;
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
            case LONGROPE ->
                plain / (length > originalPositions ? longFactors : shortFactors).get(i);
            case PROPORTIONAL -> i < turning ? plain / factor : 0;
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
