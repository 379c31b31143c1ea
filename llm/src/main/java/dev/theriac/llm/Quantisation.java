package dev.theriac.llm;

import dev.theriac.io.ConfigFields;
import dev.theriac.tensor.QuantisedFormat;
import java.util.Locale;
import java.util.regex.Pattern;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * What {@code config.json} says of quantised weights, under {@value #FIELD}; {@link
 * dev.theriac.io.QuantisedTensors} says how they lie in files. The method is called {@value
 * #METHOD}, so that other tools refuse such a model by that name instead of misreading it.
 *
 * <p>Quantised are the linear projections of the decoder's blocks: of attention, of feed-forwards,
 * of routed and shared experts. They hold nearly all weights that a token reads. Embeddings, norms,
 * biases, routers and their gates, the projector and the vision encoder keep the type they had:
 * they are small, or decide which experts a token passes, or are read by rows. The head is
 * quantised on request, as it has its part in every token's time but acts on the logits directly.
 *
 * <p>In BF16 and F32 nothing is quantised but, where the weights were wider, rounded: they are only
 * brought into the order in which kernels read them.
 *
 * @param format of all of them
 * @param head whether the head is among them
 */
public record Quantisation(QuantisedFormat format, boolean head) {
  /** The field of {@code config.json}. */
  public static final String FIELD = "quantization_config";

  /** What its {@code quant_method} is. */
  public static final String METHOD = "theriac";

  /** The head's weight. */
  public static final String HEAD = "lm_head.weight";

  /** Of this layout of files. */
  private static final int VERSION = 1;

  private static final String SCALES = "bf16";

  /** Projections by the names of all families that are read, experts and shared experts too. */
  private static final Pattern PROJECTION =
      Pattern.compile(
          "(model\\.)?layers\\.\\d+\\..*\\b(q_proj|k_proj|v_proj|o_proj|dense|fc1|fc2|gate_proj"
              + "|up_proj|down_proj|w1|w2|w3)\\.weight");

  private static final JsonMapper JSON = JsonMapper.builder().build();

  /** Whether a tensor of that name in a checkpoint is quantised. */
  public boolean covers(String key) {
    return PROJECTION.matcher(key).matches() || head && key.equals(HEAD);
  }

  /**
   * Reads the field.
   *
   * @param root the whole configuration
   * @return null when there is none
   * @throws dev.theriac.io.FileException when another tool quantised the model, or the field says
   *     what is not known here
   */
  public static Quantisation read(ConfigFields root) {
    if (!root.has(FIELD)) return null;
    ConfigFields in = root.isObject(FIELD) ? root.object(FIELD) : null;
    if (in == null || !in.text("quant_method", "").equals(METHOD)) {
      throw root.wrong(
          FIELD, "null (weights in F32, BF16 or F16), or the object that theriac quantize writes,");
    }
    if (in.integer("version") != VERSION) throw in.wrong("version", String.valueOf(VERSION));
    QuantisedFormat format =
        switch (in.text("format")) {
          case "int8" -> QuantisedFormat.INT8;
          case "int4" -> QuantisedFormat.INT4;
          case "bf16" -> QuantisedFormat.BF16;
          case "f32" -> QuantisedFormat.F32;
          default -> throw in.wrong("format", "\"int8\", \"int4\", \"bf16\" or \"f32\"");
        };
    if (in.integer("bits") != format.bits()) throw in.wrong("bits", "" + format.bits());
    if (format.hasScales()) {
      if (in.integer("block_size") != QuantisedFormat.BLOCK) {
        throw in.wrong("block_size", "" + QuantisedFormat.BLOCK);
      }
      if (!in.text("scale_dtype").equals(SCALES)) throw in.wrong("scale_dtype", "\"bf16\"");
    }
    Quantisation out = new Quantisation(format, in.flag("head"));
    in.nothingBut("quant_method");
    return out;
  }

  /** The field's content. */
  public ObjectNode json() {
    ObjectNode out = JSON.createObjectNode();
    out.put("quant_method", METHOD).put("version", VERSION);
    out.put("format", name()).put("bits", format.bits());
    if (format.hasScales()) {
      out.put("block_size", QuantisedFormat.BLOCK).put("scale_dtype", SCALES);
    }
    return out.put("head", head);
  }

  /** The format as users write it: int8, int4, bf16 or f32. */
  public String name() {
    return format.name().toLowerCase(Locale.ROOT);
  }
}
