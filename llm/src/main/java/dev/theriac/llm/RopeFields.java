package dev.theriac.llm;

import dev.theriac.io.ConfigFields;
import dev.theriac.io.FileException;
import dev.theriac.nn.RopeScaling;
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
  private static final double THETA = 10_000;

  /**
   * Reads the fields.
   *
   * @param in the whole file
   * @param partial share where the file does not say it
   * @param maxPositions the file's max_position_embeddings
   * @throws FileException naming file and field for a kind of scaling that is not known
   */
  public static RopeFields read(ConfigFields in, double partial, int maxPositions) {
    double theta = in.number("rope_theta", THETA);
    double share = in.number("partial_rotary_factor", partial);
    String holder = in.has("rope_scaling") ? "rope_scaling" : "rope_parameters";
    if (!in.has(holder)) return new RopeFields(theta, share, RopeScaling.NONE);
    ConfigFields rope = in.object(holder);
    theta = rope.number("rope_theta", theta);
    share = rope.number("partial_rotary_factor", share);
    int before = maxPositions;
    if (in.has("original_max_position_embeddings")) {
      before = in.integer("original_max_position_embeddings");
    } else {
      before = rope.integer("original_max_position_embeddings", before);
    }
    try {
      return new RopeFields(theta, share, scaling(rope, maxPositions, before));
    } catch (IllegalArgumentException e) {
      throw new FileException(
          in.file(), "field \"%s\" does not fit: %s".formatted(holder, e.getMessage()), e);
    }
  }

  private static RopeScaling scaling(ConfigFields in, int maxPositions, int before) {
    String field = in.has("rope_type") ? "rope_type" : "type";
    return switch (in.text(field, "default")) {
      case "default" -> RopeScaling.NONE;
      case "linear" -> RopeScaling.linear(in.number("factor"), maxPositions);
      case "dynamic" -> RopeScaling.dynamic(in.number("factor"), maxPositions);
      case "llama3" ->
          RopeScaling.llama3(
              in.number("factor"),
              in.number("low_freq_factor"),
              in.number("high_freq_factor"),
              before);
      case "yarn" -> yarn(in, maxPositions, before);
      default -> throw in.wrong(field, "one of default, linear, dynamic, llama3 and yarn");
    };
  }

  private static RopeScaling yarn(ConfigFields in, int maxPositions, int before) {
    double factor =
        in.has("factor") ? in.number("factor") : (double) maxPositions / Math.max(1, before);
    double mscale = in.number("mscale", 0);
    double all = in.number("mscale_all_dim", 0);
    double attention = temperature(factor, 1);
    if (mscale != 0 && all != 0) attention = temperature(factor, mscale) / temperature(factor, all);
    double fast = in.number("beta_fast", 32);
    double slow = in.number("beta_slow", 1);
    return new RopeScaling(
        RopeScaling.Kind.YARN,
        factor,
        before,
        slow == 0 ? 1 : slow,
        fast == 0 ? 32 : fast,
        in.number("attention_factor", attention),
        in.flag("truncate", true));
  }

  private static double temperature(double factor, double by) {
    return factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1;
  }

  /** Writes the fields in both forms. */
  public void write(ObjectNode root) {
    root.put("rope_theta", theta).put("partial_rotary_factor", partial);
    ObjectNode rope = root.putObject("rope_parameters");
    rope.put("rope_theta", theta).put("partial_rotary_factor", partial);
    scaling(rope);
    if (scaling.kind() != RopeScaling.Kind.DEFAULT) {
      ObjectNode older = root.putObject("rope_scaling");
      older.put("rope_theta", theta).put("partial_rotary_factor", partial);
      scaling(older);
    }
  }

  private void scaling(ObjectNode out) {
    switch (scaling.kind()) {
      case DEFAULT -> out.put("rope_type", "default");
      case LINEAR -> out.put("rope_type", "linear").put("factor", scaling.factor());
      case DYNAMIC -> out.put("rope_type", "dynamic").put("factor", scaling.factor());
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
    }
  }
}
