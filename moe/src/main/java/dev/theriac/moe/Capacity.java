package dev.theriac.moe;

import java.math.BigDecimal;
import java.math.RoundingMode;

/**
 * Bounds how many tokens an expert takes: C = ceil(factor * k * T / E), at least {@code minimum}
 * and at most T (Lepikhin et al. 2020, GShard). T counts tokens, not filling. The formula is
 * computed exactly, with the factor as the decimal number that it is written as: a binary product
 * would round 1.1 * 100 / 10 up to 12.
 *
 * @param factor share of an even load; 1 is just enough for it
 * @param minimum lower bound of C
 * @param policy which tokens an expert keeps
 */
public record Capacity(double factor, int minimum, Policy policy) {
  /** Which tokens an expert that is asked by too many keeps. */
  public enum Policy {
    /** The earliest, whatever choice it was of theirs. */
    POSITION,
    /** Those with the highest routing weight, NaN last, the earlier of equal ones. */
    PROBABILITY
  }

  /**
   * @throws IllegalArgumentException for a capacity of nothing: dropless is no capacity, not 0
   */
  public Capacity {
    if (!(factor >= 0) || Double.isInfinite(factor) || minimum < 0) {
      throw new IllegalArgumentException(
          "capacity: factor %s with a minimum of %d; give numbers that are not negative"
              .formatted(factor, minimum));
    }
    if (factor == 0 && minimum == 0) {
      throw new IllegalArgumentException(
          "capacity: a factor of 0 drops every token; for no limit give no capacity at all");
    }
  }

  /** With no lower bound but that of the formula. */
  public Capacity(double factor, Policy policy) {
    this(factor, 0, policy);
  }

  /** Tokens that each of E experts takes at most when T choose k experts each. */
  public int of(long tokens, int topK, int experts) {
    return Math.toIntExact(
        Math.min(tokens, Math.max(minimum, share(factor, topK, tokens, experts))));
  }

  /** ceil(factor * k * T / E), at most T. */
  static long share(double factor, int topK, long tokens, int experts) {
    return BigDecimal.valueOf(factor)
        .multiply(BigDecimal.valueOf(topK))
        .multiply(BigDecimal.valueOf(tokens))
        .divide(BigDecimal.valueOf(experts), 0, RoundingMode.CEILING)
        .min(BigDecimal.valueOf(tokens))
        .longValueExact();
  }
}
