package dev.theriac.vision;

import dev.theriac.backend.UnaryKind;
import dev.theriac.io.ConfigFields;
import dev.theriac.io.FileException;
import dev.theriac.tensor.DType;
import dev.theriac.vision.VisionConfig.Family;
import dev.theriac.vision.VisionConfig.Feature;
import java.nio.file.Path;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * A vision encoder's {@code config.json} as Hugging Face's transformers reads it: that of {@code
 * clip_vision_model} or {@code siglip_vision_model}, or of {@code clip} or {@code siglip} with a
 * {@code vision_config}. Missing fields have transformers' defaults; fields that it does not know
 * are ignored, as it does; those that it honours and Theriac does not are errors.
 */
final class VisionConfigFile {
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final String ACTIVATIONS =
      "quick_gelu, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, silu or relu";

  // Far above any model's; what is read stays within what can be computed with.
  private static final int MAX_SIZE = 1 << 14;
  private static final int MAX_LAYERS = 1 << 12;
  private static final int MAX_WIDTH = 1 << 20;

  private VisionConfigFile() {}

  /**
   * @param projected whether the weights hold a projection, of which the configuration says only
   *     the width
   */
  static VisionConfig read(Path file, boolean projected) {
    ConfigFields root = ConfigFields.read(file);
    String type = root.text("model_type");
    if (root.has("quantization_config")) {
      throw root.wrong("quantization_config", "none (weights in F32, BF16 or F16)");
    }
    return switch (type) {
      case "clip_vision_model", "siglip_vision_model" ->
          config(
              root, family(type), projected ? positive(root, "projection_dim", 512, MAX_WIDTH) : 0);
      case "clip" ->
          // Where this older field exists, transformers takes every field from it.
          config(
              root.has("vision_config_dict")
                  ? root.object("vision_config_dict")
                  : root.has("vision_config") ? root.object("vision_config") : empty(root),
              Family.CLIP,
              projected ? positive(root, "projection_dim", 512, MAX_WIDTH) : 0);
      case "siglip" ->
          config(
              root.has("vision_config") ? root.object("vision_config") : empty(root),
              Family.SIGLIP,
              0);
      default ->
          throw root.wrong(
              "model_type", "one of clip, clip_vision_model, siglip and siglip_vision_model");
    };
  }

  private static ConfigFields empty(ConfigFields root) {
    return ConfigFields.empty(root.file(), "vision_config.");
  }

  private static Family family(String type) {
    return type.startsWith("clip") ? Family.CLIP : Family.SIGLIP;
  }

  private static VisionConfig config(ConfigFields in, Family family, int projection) {
    boolean clip = family == Family.CLIP;
    if (in.number("attention_dropout", 0) != 0) throw in.wrong("attention_dropout", "0");
    UnaryKind activation = activation(in, clip ? "quick_gelu" : "gelu_pytorch_tanh");
    double eps = in.number("layer_norm_eps", clip ? 1e-5 : 1e-6);
    if (!(eps >= 0 && eps < 1)) throw in.wrong("layer_norm_eps", "a number from 0 to below 1");
    int dim = positive(in, "hidden_size", 768, MAX_WIDTH);
    int heads = positive(in, "num_attention_heads", 12, MAX_WIDTH);
    if (dim % heads != 0) throw in.wrong("num_attention_heads", "a divisor of hidden_size " + dim);
    int image = positive(in, "image_size", 224, MAX_SIZE);
    int patch = positive(in, "patch_size", clip ? 32 : 16, MAX_SIZE);
    if (patch > image) throw in.wrong("patch_size", "at most image_size, " + image + ",");
    try {
      return new VisionConfig(
          family,
          image,
          patch,
          positive(in, "num_channels", 3, MAX_LAYERS),
          dim,
          positive(in, "num_hidden_layers", 12, MAX_LAYERS),
          heads,
          positive(in, "intermediate_size", 3072, MAX_WIDTH),
          activation,
          eps,
          !clip && in.flag("vision_use_head", true),
          projection,
          -1,
          Feature.PATCH,
          in.number("initializer_range", 0.02, 0, 1));
    } catch (IllegalArgumentException | ArithmeticException e) {
      throw new FileException(in.file(), "sizes that do not fit: " + e.getMessage(), e);
    }
  }

  private static int positive(ConfigFields in, String name, int missing, int most) {
    return in.integer(name, missing, 1, most);
  }

  private static UnaryKind activation(ConfigFields in, String missing) {
    return switch (in.text("hidden_act", missing)) {
      case "quick_gelu" -> UnaryKind.QUICK_GELU;
      case "gelu", "gelu_python" -> UnaryKind.GELU;
      case "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_accurate" ->
          UnaryKind.GELU_TANH;
      case "silu", "swish" -> UnaryKind.SILU;
      case "relu" -> UnaryKind.RELU;
      default -> throw in.wrong("hidden_act", ACTIVATIONS);
    };
  }

  /** The text of a file that {@link #read} and transformers read as this configuration. */
  static String write(VisionConfig config, DType dtype) {
    boolean clip = config.family() == Family.CLIP;
    ObjectNode root = JSON.createObjectNode();
    String model =
        !clip
            ? "SiglipVisionModel"
            : config.projection() > 0 ? "CLIPVisionModelWithProjection" : "CLIPVisionModel";
    root.putArray("architectures").add(model);
    root.put("model_type", clip ? "clip_vision_model" : "siglip_vision_model");
    root.put(
        "dtype", dtype == DType.BF16 ? "bfloat16" : dtype == DType.F16 ? "float16" : "float32");
    root.put("hidden_size", config.dim()).put("intermediate_size", config.intermediate());
    root.put("num_hidden_layers", config.layers()).put("num_attention_heads", config.heads());
    root.put("num_channels", config.channels());
    root.put("image_size", config.imageSize()).put("patch_size", config.patchSize());
    root.put(
        "hidden_act",
        switch (config.activation()) {
          case QUICK_GELU -> "quick_gelu";
          case GELU -> "gelu";
          case GELU_TANH -> "gelu_pytorch_tanh";
          case SILU -> "silu";
          default -> "relu";
        });
    root.put("layer_norm_eps", config.normEps()).put("attention_dropout", 0.0);
    if (clip) {
      root.put("initializer_range", config.initStd()).put("initializer_factor", 1.0);
      if (config.projection() > 0) root.put("projection_dim", config.projection());
    } else {
      root.put("vision_use_head", config.poolingHead());
    }
    return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n";
  }
}
