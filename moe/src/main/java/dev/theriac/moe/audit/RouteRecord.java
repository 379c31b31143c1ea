package dev.theriac.moe.audit;

import java.util.Arrays;
import java.util.HashSet;
import java.util.Objects;
import java.util.Set;

/**
 * What one MoE layer decided for one token.
 *
 * <p>Immutable by convention: the arrays are shared, so do not write to them.
 *
 * @param sequence row of the batch, or the running number of the question in a longer trail
 * @param position of the token in its sequence, from 0; pictures take one position for each patch
 * @param layer 0-based layer of the decoder
 * @param token id in the vocabulary; negative where the position holds no token, as in a picture;
 *     null when it is not known
 * @param part what the caller calls this part of the sequence, such as "image"; or null
 * @param experts ids, the router's first choice first
 * @param weights F32, what each expert's output was multiplied by
 * @param margin the lowest selection score among the chosen experts less the highest among the
 *     others, in units of that score: logits, or scores with a correction bias, as the header's
 *     description of the router says. Where groups limit the choice, the others are those of groups
 *     that take part. Negative when the experts are not those that the router would choose; null
 *     when no other was there to be chosen
 * @param entropy of the router's probabilities, in nats
 * @param dropped for each choice the reason why it was not computed ("over_capacity", "filling"),
 *     or null; null when none was dropped
 * @param unusable whether the router could not decide, as {@code Routing.unusable} says: a NaN, or
 *     no finite highest logit; experts are then distinct and in range, and mean nothing
 */
public record RouteRecord(
    long sequence,
    long position,
    int layer,
    Long token,
    String part,
    int[] experts,
    float[] weights,
    Double margin,
    double entropy,
    String[] dropped,
    boolean unusable) {

  /** A decision that the router could make. */
  public RouteRecord(
      long sequence,
      long position,
      int layer,
      Long token,
      String part,
      int[] experts,
      float[] weights,
      Double margin,
      double entropy,
      String[] dropped) {
    this(sequence, position, layer, token, part, experts, weights, margin, entropy, dropped, false);
  }

  /**
   * @throws IllegalArgumentException for negative numbers, ids that repeat, or arrays of different
   *     lengths
   */
  public RouteRecord {
    if (sequence < 0 || position < 0 || layer < 0) {
      throw new IllegalArgumentException(
          "sequence %d, position %d, layer %d: none may be negative"
              .formatted(sequence, position, layer));
    }
    if (experts == null || weights == null) {
      throw new IllegalArgumentException("experts and weights must be there, empty if need be");
    }
    if (experts.length != weights.length || dropped != null && dropped.length != experts.length) {
      throw new IllegalArgumentException(
          "%d experts, %d weights, %s drop reasons: one of each per choice"
              .formatted(
                  experts.length, weights.length, dropped == null ? "no" : "" + dropped.length));
    }
    Set<Integer> seen = new HashSet<>();
    for (int id : experts) {
      if (id < 0 || !seen.add(id)) {
        throw new IllegalArgumentException(
            "experts %s: ids must be 0 or more and differ".formatted(Arrays.toString(experts)));
      }
    }
  }

  /** Whether a capacity kept some choice from being computed. */
  public boolean anyDropped() {
    return dropped != null && Arrays.stream(dropped).anyMatch(reason -> reason != null);
  }

  /** Equal to the last bit, all components; NaN equals NaN. */
  @Override
  public boolean equals(Object other) {
    return other instanceof RouteRecord that
        && sequence == that.sequence
        && position == that.position
        && layer == that.layer
        && Objects.equals(token, that.token)
        && Objects.equals(part, that.part)
        && sameDecision(that);
  }

  /**
   * Whether experts, weights, margin, entropy, drops and usability are those of {@code that}, to
   * the bit.
   */
  public boolean sameDecision(RouteRecord that) {
    return Arrays.equals(experts, that.experts)
        && Arrays.equals(weights, that.weights)
        && Objects.equals(margin, that.margin)
        && Double.compare(entropy, that.entropy) == 0
        && Arrays.equals(dropped, that.dropped)
        && unusable == that.unusable;
  }

  @Override
  public int hashCode() {
    return Objects.hash(sequence, position, layer);
  }

  @Override
  public String toString() {
    return "layer %d, sequence %d, position %d: experts %s, weights %s, margin %s, entropy %s%s%s"
        .formatted(
            layer,
            sequence,
            position,
            Arrays.toString(experts),
            Arrays.toString(weights),
            margin,
            entropy,
            dropped == null ? "" : ", dropped " + Arrays.toString(dropped),
            unusable ? ", unusable" : "");
  }
}
