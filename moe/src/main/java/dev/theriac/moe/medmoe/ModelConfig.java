package dev.theriac.moe.medmoe;

import dev.theriac.backend.UnaryKind;
import dev.theriac.io.ConfigFields;
import dev.theriac.io.FileException;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.moe.Router;
import dev.theriac.tensor.DType;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionConfig.Feature;
import dev.theriac.vision.image.Preprocessing;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * {@code config.json} of a model directory: the fields of Med-MoE's published models, and under
 * {@code theriac} what those do not say because all of them use one vision encoder. Fields at the
 * top that are not known here are left alone, as Hugging Face's tools do.
 */
record ModelConfig(ModelShape shape, Preprocessing preprocessing) {
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final String PHI = "phi";
  private static final String STABLELM = "stablelm";

  static ModelConfig of(MedMoe model) {
    return new ModelConfig(ModelShape.of(model), model.preprocessing());
  }

  /**
   * @param version of the library
   * @param dtype of the weights
   */
  String json(String version, DType dtype, int eosId, int padId) {
    ObjectNode root = JSON.createObjectNode();
    boolean phi = shape.language().family() == Family.PHI;
    boolean mixture = shape.moe() != null;
    root.putArray("architectures")
        .add((mixture ? "MoELLaVA" : "Llava") + (phi ? "Phi" : "Stablelm") + "ForCausalLM");
    root.put("model_type", (mixture ? "moe_llava_" : "llava_") + (phi ? PHI : STABLELM));
    root.put("torch_dtype", torchName(dtype));
    root.put("use_cache", true);
    root.put("bos_token_id", eosId).put("eos_token_id", eosId).put("pad_token_id", padId);
    root.put("tokenizer_padding_side", "right");
    decoder(root);
    multimodal(root);
    if (mixture) moe(root.putObject("moe"));
    extra(root.putObject("theriac"), version);
    return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n";
  }

  private static String torchName(DType dtype) {
    return switch (dtype) {
      case BF16 -> "bfloat16";
      case F16 -> "float16";
      default -> "float32";
    };
  }

  private void decoder(ObjectNode root) {
    DecoderConfig d = shape.language();
    double rotary = (double) d.rotaryDims() / d.headDim();
    root.put("vocab_size", d.vocabulary());
    root.put("hidden_size", d.dim());
    root.put("intermediate_size", d.intermediate());
    root.put("num_hidden_layers", d.layers());
    root.put("num_attention_heads", d.heads());
    root.put("num_key_value_heads", d.kvHeads());
    root.put("partial_rotary_factor", rotary);
    root.put("rope_theta", d.ropeTheta());
    root.put("max_position_embeddings", d.maxPositions());
    root.put("layer_norm_eps", d.normEps());
    root.put("initializer_range", d.initStd());
    root.put("tie_word_embeddings", false);
    root.put("attention_dropout", 0.0);
    if (d.family() == Family.PHI) {
      root.put("hidden_act", "gelu_new").put("qk_layernorm", false);
      root.put("resid_pdrop", d.residualDropout()).put("embd_pdrop", 0.0);
    } else {
      root.put("hidden_act", "silu").put("use_qkv_bias", true);
      root.put("hidden_dropout", d.residualDropout());
      root.put("num_heads", d.heads()).put("norm_eps", d.normEps());
      root.put("rope_pct", rotary).put("rotary_scaling_factor", 1.0);
    }
  }

  private void multimodal(ObjectNode root) {
    boolean clip = shape.vision().equals(VisionConfig.clipLarge336());
    root.put("image_aspect_ratio", preprocessing.pad() ? "pad" : "square");
    root.put("image_projector_type", "mlp2x_gelu");
    root.put("mm_hidden_size", shape.vision().dim());
    root.put("mm_image_tower", clip ? "openai/clip-vit-large-patch14-336" : null);
    root.putNull("mm_video_tower");
    root.putNull("mm_projector_lr");
    root.put("mm_use_im_patch_token", false).put("mm_use_im_start_end", false);
    boolean patches = shape.vision().feature() == Feature.PATCH;
    root.put("mm_vision_select_feature", patches ? "patch" : "cls_patch");
    root.put("mm_vision_select_layer", shape.vision().selectLayer());
    root.put("use_mm_proj", true);
    root.put("freeze_mm_mlp_adapter", false).put("tune_mm_mlp_adapter", false);
  }

  private void moe(ObjectNode out) {
    MoeOptions options = shape.moe();
    List<Integer> layers = options.layersOf(shape.language().layers());
    out.put("moe_enable", true).put("moe_mode", options.layers() == null ? "sparse" : "custom");
    ArrayNode indices = out.putArray("moe_layers_idx");
    ArrayNode counts = out.putArray("num_experts");
    for (int layer : layers) {
      indices.add(layer);
      counts.add(options.experts());
    }
    out.put("top_k_experts", options.topK()).put("ep_size", 1);
    out.put("capacity_factor", 1.5).put("eval_capacity_factor", 2.0).put("min_capacity", 0);
    out.put("use_residual", false);
    out.put("router_aux_loss_coef", options.auxiliaryCoefficient());
    ArrayNode trained = out.putArray("train_modules");
    List<String> names =
        shape.language().family() == Family.PHI
            ? List.of("fc1", "fc2", "wg")
            : List.of("gate_proj", "up_proj", "down_proj", "wg");
    names.forEach(trained::add);
  }

  private void extra(ObjectNode out, String version) {
    out.put("version", version);
    VisionConfig v = shape.vision();
    ObjectNode vision = out.putObject("vision");
    vision.put("image_size", v.imageSize()).put("patch_size", v.patchSize());
    vision.put("num_hidden_layers", v.layers()).put("num_attention_heads", v.heads());
    vision.put("intermediate_size", v.intermediate());
    vision.put("layer_norm_eps", v.normEps()).put("initializer_range", v.initStd());
    if (v.family() != VisionConfig.Family.CLIP) vision.put("family", "siglip");
    if (v.channels() != 3) vision.put("num_channels", v.channels());
    if (v.activation() != UnaryKind.QUICK_GELU) {
      vision.put("activation", v.activation().name().toLowerCase(Locale.ROOT));
    }
    if (v.poolingHead()) vision.put("pooling_head", true);
    if (v.projection() > 0) vision.put("projection_dim", v.projection());
    ObjectNode pictures = out.putObject("preprocessing");
    pictures.put("size", preprocessing.size());
    ArrayNode mean = pictures.putArray("mean");
    ArrayNode std = pictures.putArray("std");
    for (int c = 0; c < 3; c++) {
      mean.add(preprocessing.mean()[c]);
      std.add(preprocessing.std()[c]);
    }
    if (shape.moe() == null) return;
    ObjectNode moe = out.putObject("moe");
    moe.put("weighting", shape.moe().weighting().name().toLowerCase(Locale.ROOT));
    moe.put("meta_expert", shape.moe().metaExpert());
  }

  /**
   * @throws FileException naming file and field when one is missing, of the wrong type or, under
   *     {@code theriac} and {@code moe}, unknown
   */
  static ModelConfig read(Path file) {
    ConfigFields root = ConfigFields.read(file);
    String type = root.text("model_type");
    boolean mixture = type.startsWith("moe_");
    Family family =
        switch (mixture ? type.substring("moe_".length()) : type) {
          case "llava_" + PHI -> Family.PHI;
          case "llava_" + STABLELM -> Family.STABLELM;
          default ->
              throw root.wrong(
                  "model_type",
                  "one of llava_phi, llava_stablelm, moe_llava_phi and moe_llava_stablelm");
        };
    if (!root.has("theriac")) {
      throw new FileException(
          file, "field \"theriac\" is missing: not a model directory that Theriac wrote");
    }
    ConfigFields extra = root.object("theriac");
    extra.text("version");
    try {
      VisionConfig vision = vision(root, extra.object("vision"));
      Preprocessing pictures = preprocessing(root, extra.object("preprocessing"));
      DecoderConfig decoder = decoder(family, root);
      MoeOptions moe = mixture ? moe(root.object("moe"), extra.object("moe"), decoder) : null;
      extra.nothingBut();
      return new ModelConfig(new ModelShape(vision, decoder, moe), pictures);
    } catch (IllegalArgumentException e) {
      throw new FileException(file, "sizes that do not fit: " + e.getMessage(), e);
    }
  }

  private static VisionConfig vision(ConfigFields root, ConfigFields in) {
    VisionConfig out =
        new VisionConfig(
            choice(in, "family", VisionConfig.Family.CLIP),
            in.integer("image_size"),
            in.integer("patch_size"),
            in.integer("num_channels", 3),
            root.integer("mm_hidden_size"),
            in.integer("num_hidden_layers"),
            in.integer("num_attention_heads"),
            in.integer("intermediate_size"),
            choice(in, "activation", UnaryKind.QUICK_GELU),
            in.number("layer_norm_eps"),
            in.flag("pooling_head", false),
            in.integer("projection_dim", 0),
            root.integer("mm_vision_select_layer"),
            choice(root, "mm_vision_select_feature", Feature.PATCH),
            in.number("initializer_range"));
    in.nothingBut();
    return out;
  }

  /** The constant of an enum that a field names in small letters, or {@code missing}. */
  private static <E extends Enum<E>> E choice(ConfigFields in, String name, E missing) {
    if (!in.has(name)) return missing;
    String text = in.text(name);
    for (E e : missing.getDeclaringClass().getEnumConstants()) {
      if (e.name().toLowerCase(Locale.ROOT).equals(text)) return e;
    }
    throw in.wrong(
        name,
        "one of %s, in small letters,"
            .formatted(Arrays.toString(missing.getDeclaringClass().getEnumConstants())));
  }

  private static Preprocessing preprocessing(ConfigFields root, ConfigFields in) {
    boolean pad =
        switch (root.text("image_aspect_ratio")) {
          case "pad" -> true;
          case "square" -> false;
          default -> throw root.wrong("image_aspect_ratio", "\"pad\" or \"square\"");
        };
    Preprocessing out =
        new Preprocessing(in.integer("size"), pad, in.floats("mean"), in.floats("std"));
    in.nothingBut();
    return out;
  }

  private static DecoderConfig decoder(Family family, ConfigFields in) {
    boolean phi = family == Family.PHI;
    int dim = in.integer("hidden_size");
    int heads = in.integer("num_attention_heads");
    if (dim < 1 || heads < 1 || dim % heads != 0) {
      throw in.wrong("num_attention_heads", "a divisor of hidden_size, which is " + dim + ",");
    }
    double rotary = in.number(phi ? "partial_rotary_factor" : "rope_pct");
    return new DecoderConfig(
        family,
        in.integer("vocab_size"),
        dim,
        in.integer("intermediate_size"),
        in.integer("num_hidden_layers"),
        heads,
        in.integer("num_key_value_heads"),
        Math.toIntExact(Math.round(rotary * (dim / heads))),
        in.number("rope_theta"),
        in.integer("max_position_embeddings"),
        in.number(phi ? "layer_norm_eps" : "norm_eps"),
        in.number(phi ? "resid_pdrop" : "hidden_dropout"),
        in.number("initializer_range"));
  }

  private static MoeOptions moe(ConfigFields in, ConfigFields extra, DecoderConfig decoder) {
    List<Integer> layers = in.integers("moe_layers_idx");
    List<Integer> counts = in.integers("num_experts");
    if (counts.size() != layers.size() || counts.stream().distinct().count() != 1) {
      throw in.wrong("num_experts", "one number of experts, the same for each MoE layer,");
    }
    boolean sparse = in.text("moe_mode").equals("sparse");
    List<Integer> even =
        IntStream.range(0, decoder.layers()).filter(i -> i % 2 == 0).boxed().toList();
    if (sparse && !layers.equals(even)) throw in.wrong("moe_layers_idx", even + " (\"sparse\")");
    Router.Weighting weighting =
        switch (extra.text("weighting")) {
          case "probability" -> Router.Weighting.PROBABILITY;
          case "renormalised" -> Router.Weighting.RENORMALISED;
          default -> throw extra.wrong("weighting", "\"probability\" or \"renormalised\"");
        };
    MoeOptions out =
        new MoeOptions(
            counts.getFirst(),
            in.integer("top_k_experts"),
            weighting,
            extra.flag("meta_expert"),
            sparse ? null : layers,
            in.number("router_aux_loss_coef"));
    out.layersOf(decoder.layers());
    extra.nothingBut();
    in.nothingBut(
        "moe_enable",
        "ep_size",
        "capacity_factor",
        "eval_capacity_factor",
        "min_capacity",
        "use_residual",
        "train_modules");
    return out;
  }
}
