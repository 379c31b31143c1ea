package dev.theriac.moe.medmoe;

import dev.theriac.backend.UnaryKind;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.ModelFiles;
import dev.theriac.tensor.DType;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionConfig.Feature;
import dev.theriac.vision.image.Preprocessing;
import java.util.List;
import java.util.Locale;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * {@code config.json} of a model directory: the fields of Med-MoE's published models, and under
 * {@code theriac} what those do not say because all of them use one vision encoder. Fields at the
 * top that are not known here are left alone, as Hugging Face's tools do. {@link ModelConfigReader}
 * reads it.
 */
record ModelConfig(ModelShape shape, Preprocessing preprocessing) {
  static final String PROJECTOR = "mlp2x_gelu";
  private static final String PHI = "phi";
  private static final String STABLELM = "stablelm";

  static ModelConfig of(MedMoe model) {
    return new ModelConfig(ModelShape.of(model), model.preprocessing());
  }

  /**
   * @param read the configuration that the model was read with, of which everything stays that the
   *     model does not say; an empty object for none
   * @param version of the library
   * @param dtype of the weights
   */
  String json(ObjectNode read, String version, DType dtype, int eosId, int padId) {
    ObjectNode root = read.deepCopy();
    boolean phi = shape.language().family() == Family.PHI;
    boolean mixture = shape.moe() != null;
    root.putArray("architectures")
        .add((mixture ? "MoELLaVA" : "Llava") + (phi ? "Phi" : "Stablelm") + "ForCausalLM");
    root.put("model_type", (mixture ? "moe_llava_" : "llava_") + (phi ? PHI : STABLELM));
    root.put("torch_dtype", ModelFiles.torchName(dtype));
    if (root.has("dtype")) root.put("dtype", ModelFiles.torchName(dtype));
    if (!root.has("use_cache")) root.put("use_cache", true);
    if (!root.has("bos_token_id")) root.put("bos_token_id", eosId);
    if (!root.has("eos_token_id")) root.put("eos_token_id", eosId);
    if (!root.has("pad_token_id")) root.put("pad_token_id", padId);
    if (!root.has("tokenizer_padding_side")) root.put("tokenizer_padding_side", "right");
    decoder(root);
    multimodal(root);
    if (mixture) moe(object(root, "moe"));
    extra(root.putObject("theriac"), version);
    return ModelFiles.pretty(root);
  }

  private static ObjectNode object(ObjectNode root, String name) {
    return root.get(name) instanceof ObjectNode there ? there : root.putObject(name);
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
      root.put("resid_pdrop", d.residualDropout());
      root.put("embd_pdrop", d.options().embeddingDropout());
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
    root.put("image_projector_type", PROJECTOR);
    root.put("mm_hidden_size", shape.vision().dim());
    if (!root.has("mm_image_tower")) {
      root.put("mm_image_tower", clip ? "openai/clip-vit-large-patch14-336" : null);
    }
    for (String name : new String[] {"mm_video_tower", "mm_projector_lr"}) {
      if (!root.has(name)) root.putNull(name);
    }
    if (!root.has("mm_use_im_patch_token")) root.put("mm_use_im_patch_token", false);
    root.put("mm_use_im_start_end", false);
    boolean patches = shape.vision().feature() == Feature.PATCH;
    root.put("mm_vision_select_feature", patches ? "patch" : "cls_patch");
    root.put("mm_vision_select_layer", shape.vision().selectLayer());
    root.put("use_mm_proj", true);
    for (String name : new String[] {"freeze_mm_mlp_adapter", "tune_mm_mlp_adapter"}) {
      if (!root.has(name)) root.put(name, false);
    }
  }

  private void moe(ObjectNode out) {
    MoeOptions options = shape.moe();
    List<Integer> layers = options.layersOf(shape.language().layers());
    boolean sparse = options.layers() == null;
    boolean named = !out.path("moe_mode").asString("sparse").equals("sparse");
    out.put("moe_enable", true);
    if (sparse || !named) out.put("moe_mode", sparse ? "sparse" : "custom");
    ArrayNode indices = out.putArray("moe_layers_idx");
    ArrayNode counts = out.putArray("num_experts");
    for (int layer : layers) {
      indices.add(layer);
      counts.add(options.experts());
    }
    out.put("top_k_experts", options.topK());
    // Of no effect, as nothing is dropped.
    if (!out.has("ep_size")) out.put("ep_size", 1);
    if (!out.has("capacity_factor")) out.put("capacity_factor", 1.5);
    if (!out.has("eval_capacity_factor")) out.put("eval_capacity_factor", 2.0);
    if (!out.has("min_capacity")) out.put("min_capacity", 0);
    out.put("use_residual", false);
    out.put("router_aux_loss_coef", options.auxiliaryCoefficient());
    if (out.has("train_modules")) return;
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
    if (shape.language().options().headBias()) out.putObject("language").put("head_bias", true);
    if (shape.moe() == null) return;
    ObjectNode moe = out.putObject("moe");
    moe.put("weighting", shape.moe().weighting().name().toLowerCase(Locale.ROOT));
    moe.put("meta_expert", shape.moe().metaExpert());
  }
}
