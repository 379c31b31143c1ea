package dev.theriac.llm;

import dev.theriac.io.ConfigFields;
import dev.theriac.io.FileException;
import dev.theriac.nn.RopeScaling;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The rotary embedding as {@code config.json} describes it: {@code rope_parameters} of transformers
 * 5, or the older {@code rope_theta}, {@code partial_rotary_factor} and {@code rope_scaling}.
 *
 * @param theta base of the frequencies
 * @param partial rotated share of a head
 * @param scaling how they are changed for long texts
 */
public record RopeFields(double theta, double partial, RopeScaling scaling) {
  /** Largest base of the frequencies. */
  public static final double LARGEST = 1e12;

  /**
   * Reads the fields.
   *
   * @param in the whole file
   * @param base frequencies' base where the file does not say it
   * @param partial share where the file does not say it
   * @param maxPositions the file's max_position_embeddings
   * @throws FileException naming file and field for a kind of scaling that is not known, and for
   *     values that no frequencies can be made of
   */
  public static RopeFields read(ConfigFields in, double base, double partial, int maxPositions) {
    double theta = in.number("rope_theta", base);
    double share = in.number("partial_rotary_factor", partial);
    String holder = in.isObject("rope_scaling") ? "rope_scaling" : "rope_parameters";
    if (in.has("rope_scaling") && !in.isObject("rope_scaling")) {
      throw in.wrong("rope_scaling", "an object or null");
    }
    if (!in.has(holder)) return checked(in, in, theta, share, RopeScaling.NONE);
    ConfigFields rope = in.object(holder);
    for (String type : List.of("full_attention", "sliding_attention")) {
      if (rope.has(type)) {
        throw rope.wrong(type, "none (the layers of these families share their frequencies)");
      }
    }
    theta = rope.number("rope_theta", theta);
    share = rope.number("partial_rotary_factor", share);
    int before = maxPositions;
    if (in.has("original_max_position_embeddings")) {
      before = in.integer("original_max_position_embeddings", 1, Integer.MAX_VALUE);
    } else {
      before = rope.integer("original_max_position_embeddings", before, 1, Integer.MAX_VALUE);
    }
    try {
      RopeScaling scaling = scaling(rope, maxPositions, before, share);
      // Of a proportional one the share is part of the scaling: all dimensions have a frequency.
      boolean all = scaling.kind() == RopeScaling.Kind.PROPORTIONAL;
      return checked(in, rope, theta, all ? 1 : share, scaling);
    } catch (IllegalArgumentException e) {
      throw new FileException(
          in.file(), "field \"%s\" does not fit: %s".formatted(holder, e.getMessage()), e);
    }
  }

  private static RopeFields checked(
      ConfigFields in, ConfigFields rope, double theta, double share, RopeScaling scaling) {
    if (!(theta >= 1 && theta <= LARGEST)) {
      throw (rope.has("rope_theta") ? rope : in).wrong("rope_theta", "a number from 1 to 1e12");
    }
    if (!(share >= 0 && share <= 1)) {
      throw (rope.has("partial_rotary_factor") ? rope : in)
          .wrong("partial_rotary_factor", "a number from 0 to 1");
    }
    return new RopeFields(theta, share, scaling);
  }

  private static RopeScaling scaling(ConfigFields in, int maxPositions, int before, double share) {
    String field = in.has("rope_type") ? "rope_type" : "type";
    return switch (in.text(field, "default")) {
      case "default" -> RopeScaling.NONE;
      case "linear" -> RopeScaling.linear(positive(in, "factor"), maxPositions);
      case "dynamic" -> RopeScaling.dynamic(positive(in, "factor"), maxPositions);
      case "llama3" ->
          RopeScaling.llama3(
              positive(in, "factor"),
              positive(in, "low_freq_factor"),
              positive(in, "high_freq_factor"),
              before);
      case "yarn" -> yarn(in, maxPositions, before);
      case "longrope" -> longRope(in, maxPositions, before);
      case "proportional" ->
          RopeScaling.proportional(positive(in, "factor", 1), maxPositions, share);
      default ->
          throw in.wrong(
              field, "one of default, linear, dynamic, llama3, yarn, longrope and proportional");
    };
  }

  private static double positive(ConfigFields in, String name) {
    double value = in.number(name);
    if (value > 0 && value <= Double.MAX_VALUE) return value;
    throw in.wrong(name, "a finite number above 0");
  }

  private static double positive(ConfigFields in, String name, double other) {
    return in.has(name) ? positive(in, name) : other;
  }

  /** To transformers 0 is as good as nothing. */
  private static double unlessZero(ConfigFields in, String name, double other) {
    return in.number(name, other) == 0 ? other : positive(in, name, other);
  }

  private static double factor(ConfigFields in, int maxPositions, int before) {
    if (in.has("factor")) return positive(in, "factor");
    return (double) maxPositions / Math.max(1, before);
  }

  private static RopeScaling yarn(ConfigFields in, int maxPositions, int before) {
    double factor = factor(in, maxPositions, before);
    double mscale = in.number("mscale", 0);
    double all = in.number("mscale_all_dim", 0);
    double attention = temperature(factor, 1);
    if (mscale != 0 && all != 0) attention = temperature(factor, mscale) / temperature(factor, all);
    double fast = unlessZero(in, "beta_fast", 32);
    double slow = unlessZero(in, "beta_slow", 1);
    return RopeScaling.yarn(
        factor,
        before,
        slow,
        fast,
        positive(in, "attention_factor", attention),
        in.flag("truncate", true));
  }

  private static double temperature(double factor, double by) {
    return factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1;
  }

  private static RopeScaling longRope(ConfigFields in, int maxPositions, int before) {
    double factor = factor(in, maxPositions, before);
    double attention = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(before));
    return RopeScaling.longRope(
        Math.max(1, factor),
        before,
        in.numbers("short_factor"),
        in.numbers("long_factor"),
        positive(in, "attention_factor", attention));
  }

  /** Writes the fields in both forms. */
  public void write(ObjectNode root) {
    double share = scaling.kind() == RopeScaling.Kind.PROPORTIONAL ? scaling.share() : partial;
    root.put("rope_theta", theta).put("partial_rotary_factor", share);
    List<ObjectNode> both = new ArrayList<>(List.of(root.putObject("rope_parameters")));
    if (scaling.kind() != RopeScaling.Kind.DEFAULT) both.add(root.putObject("rope_scaling"));
    for (ObjectNode rope : both) {
      rope.put("rope_theta", theta).put("partial_rotary_factor", share);
      scaling(rope);
    }
  }

  private void scaling(ObjectNode out) {
    switch (scaling.kind()) {
      case DEFAULT -> out.put("rope_type", "default");
      case LINEAR -> out.put("rope_type", "linear").put("factor", scaling.factor());
      case DYNAMIC -> out.put("rope_type", "dynamic").put("factor", scaling.factor());
      case PROPORTIONAL -> out.put("rope_type", "proportional").put("factor", scaling.factor());
      case LLAMA3 -> {
        out.put("rope_type", "llama3").put("factor", scaling.factor());
        out.put("low_freq_factor", scaling.low()).put("high_freq_factor", scaling.high());
        out.put("original_max_position_embeddings", scaling.originalPositions());
      }
      case YARN -> {
        out.put("rope_type", "yarn").put("factor", scaling.factor());
        out.put("beta_fast", scaling.high()).put("beta_slow", scaling.low());
        out.put("attention_factor", scaling.attentionFactor());
        out.put("truncate", scaling.truncate());
        out.put("original_max_position_embeddings", scaling.originalPositions());
      }
      case LONGROPE -> {
        out.put("rope_type", "longrope").put("factor", scaling.factor());
        out.put("attention_factor", scaling.attentionFactor());
        ArrayNode shorter = out.putArray("short_factor");
        scaling.shortFactors().forEach(shorter::add);
        ArrayNode longer = out.putArray("long_factor");
        scaling.longFactors().forEach(longer::add);
        out.put("original_max_position_embeddings", scaling.originalPositions());
      }
    }
  }
}
