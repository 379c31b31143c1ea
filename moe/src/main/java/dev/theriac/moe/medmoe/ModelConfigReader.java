package dev.theriac.moe.medmoe;

import dev.theriac.backend.UnaryKind;
import dev.theriac.io.ConfigFields;
import dev.theriac.io.FileException;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.DecoderFields;
import dev.theriac.llm.Quantisation;
import dev.theriac.llm.RopeFields;
import dev.theriac.moe.Router;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionConfig.Feature;
import dev.theriac.vision.image.Preprocessing;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * Reads {@code config.json} of a Med-MoE. What Theriac writes says everything. What the authors of
 * Med-MoE publish does not say which image encoder it has but by name, and not how experts are
 * weighted and whether there is a meta expert: {@link VisionTower} finds the first, the code that
 * wrote it decides the second (one of the best expert's probability, or the renormalised ones of
 * several), the keys of the checkpoint the third.
 */
final class ModelConfigReader {
  /** Far above any model's: sizes are believed before the checkpoint is compared with them. */
  private static final int MOST = 4096;

  private static final int LARGEST_IMAGE = 1 << 16;

  private static final String PHI = "phi";
  private static final String STABLELM = "stablelm";
  private static final String THERIAC = "theriac";
  private static final String TOWER = "mm_image_tower";
  private static final String SEEN = "mm_vision_select_layer";
  private static final String FEATURE = "mm_vision_select_feature";

  /** How the published code names choices of layers; only the first says which they are. */
  private static final List<String> MODES =
      List.of("sparse", "custom", "dense", "first_half", "second_half");

  private final Path file;
  private final ModelParts parts;
  private final ConfigFields root;
  private final ConfigFields extra;

  /**
   * What was read.
   *
   * @param tower directory of the image encoder, or null when its weights can only be those of the
   *     checkpoint
   * @param unnamed the encoder that the model has beside one that users name, or null
   */
  record Found(ModelConfig config, Path tower, VisionTower.Unnamed unnamed) {}

  private ModelConfigReader(Path file, ModelParts parts) {
    this.file = file;
    this.parts = parts;
    root = ConfigFields.read(file);
    extra = root.has(THERIAC) ? root.object(THERIAC) : null;
  }

  /**
   * @param keys of the checkpoint
   * @throws FileException naming file and field when one is missing, of the wrong type, not
   *     supported or, under {@code theriac} and {@code moe}, unknown
   */
  static Found read(Path file, ModelParts parts, Collection<String> keys) {
    return new ModelConfigReader(file, parts).read(keys);
  }

  private Found read(Collection<String> keys) {
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
    refuse();
    if (extra != null) extra.text("version");
    try {
      DecoderConfig decoder = decoder(family);
      boolean pad = pad();
      VisionConfig vision;
      Preprocessing pictures;
      Path directory = null;
      VisionTower.Unnamed unnamed = null;
      if (extra != null) {
        vision = vision(extra.object("vision"));
        pictures = preprocessing(extra.object("preprocessing"), pad);
      } else {
        VisionTower tower = tower(pad);
        vision = tower.config();
        pictures = tower.preprocessing();
        directory = tower.directory();
        unnamed = tower.unnamed();
      }
      if (pictures.size() != vision.imageSize()) {
        throw new FileException(
            directory == null ? file : directory,
            ("%s: pictures are prepared in %d pixels, the image encoder takes %d (image_size); one"
                    + " of the two is wrong")
                .formatted(
                    directory == null ? "preprocessing.size" : "preprocessor_config.json: size",
                    pictures.size(),
                    vision.imageSize()));
      }
      MoeOptions moe = mixture ? moe(decoder, keys) : null;
      if (extra != null) extra.nothingBut("language");
      return new Found(
          new ModelConfig(new ModelShape(vision, decoder, moe), pictures), directory, unnamed);
    } catch (IllegalArgumentException | ArithmeticException e) {
      throw new FileException(file, "sizes that do not fit: " + e.getMessage(), e);
    }
  }

  /** What would change the numbers and is not there. */
  private void refuse() {
    Quantisation.read(root);
    if (root.flag("mm_use_im_start_end", false)) throw root.wrong("mm_use_im_start_end", "false");
    if (!root.text("image_projector_type", ModelConfig.PROJECTOR).equals(ModelConfig.PROJECTOR)) {
      throw root.wrong("image_projector_type", "\"" + ModelConfig.PROJECTOR + "\"");
    }
    if (root.number("attention_dropout", 0) != 0) throw root.wrong("attention_dropout", "0");
    if (root.flag("qk_layernorm", false)) throw root.wrong("qk_layernorm", "false");
    if (root.flag("tie_word_embeddings", false)) throw root.wrong("tie_word_embeddings", "false");
    if (root.has("rope_scaling")) throw root.wrong("rope_scaling", "null");
    if (root.number("rotary_scaling_factor", 1) != 1)
      throw root.wrong("rotary_scaling_factor", "1");
    if (!root.flag("use_qkv_bias", true)) throw root.wrong("use_qkv_bias", "true");
  }

  private boolean pad() {
    return switch (root.text("image_aspect_ratio", "square")) {
      case "pad" -> true;
      case "square" -> false;
      default -> throw root.wrong("image_aspect_ratio", "\"pad\" or \"square\"");
    };
  }

  private VisionTower tower(boolean pad) {
    String name = root.text(TOWER, "");
    int layer = root.integer(SEEN);
    Feature feature = choice(root, FEATURE, Feature.PATCH);
    VisionTower out;
    try {
      out =
          VisionTower.find(
              file.toAbsolutePath().getParent(), parts.vision(), name, layer, feature, pad);
    } catch (IllegalArgumentException e) {
      throw new FileException(
          file,
          "field \"%s\" or \"%s\" does not fit the image encoder: %s"
              .formatted(SEEN, FEATURE, e.getMessage()),
          e);
    }
    int dim = out.config().dim();
    if (root.integer("mm_hidden_size", dim) != dim) {
      throw root.wrong("mm_hidden_size", "the width of the image encoder, %d,".formatted(dim));
    }
    if (out.config().channels() != 3) {
      throw new FileException(
          file,
          "the image encoder in %s takes %d channels; Med-MoE's pictures have 3"
              .formatted(out.directory(), out.config().channels()));
    }
    return out;
  }

  private VisionConfig vision(ConfigFields in) {
    int size = in.integer("image_size", 1, LARGEST_IMAGE);
    int dim = root.integer("mm_hidden_size", 1, DecoderFields.MAX_WIDTH);
    int layers = in.integer("num_hidden_layers", 1, MOST);
    int heads = in.integer("num_attention_heads", 1, dim);
    if (dim % heads != 0) {
      throw in.wrong("num_attention_heads", "a divisor of mm_hidden_size, which is " + dim + ",");
    }
    VisionConfig out =
        new VisionConfig(
            choice(in, "family", VisionConfig.Family.CLIP),
            size,
            in.integer("patch_size", 1, size),
            channels(in),
            dim,
            layers,
            heads,
            in.integer("intermediate_size", 1, DecoderFields.MAX_WIDTH),
            choice(in, "activation", UnaryKind.QUICK_GELU),
            in.number("layer_norm_eps", 0.0, 1),
            in.flag("pooling_head", false),
            in.integer("projection_dim", 0, 0, DecoderFields.MAX_WIDTH),
            root.integer(SEEN, -layers - 1, layers),
            choice(root, FEATURE, Feature.PATCH),
            in.number("initializer_range", 0.0, 1));
    in.nothingBut();
    if (out.patches() > DecoderFields.MAX_PARTS) {
      throw in.wrong("image_size", "at most %d patches".formatted(DecoderFields.MAX_PARTS));
    }
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

  private static Preprocessing preprocessing(ConfigFields in, boolean pad) {
    float[] mean = in.floats("mean");
    float[] std = in.floats("std");
    in.nothingBut("size");
    if (mean.length != 3) throw in.wrong("mean", "a list of three numbers");
    if (std.length != 3) throw in.wrong("std", "a list of three numbers");
    for (int c = 0; c < 3; c++) {
      if (!(mean[c] >= 0 && mean[c] <= 1)) throw in.wrong("mean", "numbers from 0 to 1");
      boolean positive = std[c] > 0 && Float.isFinite(std[c]);
      if (!positive) throw in.wrong("std", "finite numbers above 0");
    }
    return new Preprocessing(in.integer("size", 1, Preprocessing.MAX_SIZE), pad, mean, std);
  }

  /** Defaults are those of the classes that wrote such files. */
  private DecoderConfig decoder(Family family) {
    boolean phi = family == Family.PHI;
    int dim = root.integer("hidden_size", 1, DecoderFields.MAX_WIDTH);
    int heads = root.integer("num_attention_heads", 1, dim);
    int layers = root.integer("num_hidden_layers", 1, MOST);
    if (dim % heads != 0) {
      throw root.wrong("num_attention_heads", "a divisor of hidden_size, which is " + dim + ",");
    }
    int keys = root.integer("num_key_value_heads", heads, 1, heads);
    if (heads % keys != 0) {
      throw root.wrong(
          "num_key_value_heads", "a divisor of num_attention_heads, which is " + heads + ",");
    }
    String usual = phi ? "gelu_new" : "silu";
    if (!root.text("hidden_act", usual).equals(usual)) {
      throw root.wrong("hidden_act", "\"" + usual + "\"");
    }
    String rotated = !phi && root.has("rope_pct") ? "rope_pct" : "partial_rotary_factor";
    double share = root.number(rotated, phi ? 0.5 : 0.25, 0, 1);
    int rotary = Math.toIntExact(Math.round(share * (dim / heads)));
    if (rotary % 2 != 0) {
      throw root.wrong(
          rotated,
          "a share by which an even number of the %d dimensions turns".formatted(dim / heads));
    }
    double eps = root.number("layer_norm_eps", 1e-5, 0, 1);
    DecoderConfig plain =
        new DecoderConfig(
            family,
            root.integer("vocab_size", 1, DecoderFields.MAX_WIDTH),
            dim,
            root.integer("intermediate_size", 1, DecoderFields.MAX_WIDTH),
            layers,
            heads,
            keys,
            rotary,
            root.number("rope_theta", 10000, 1, RopeFields.LARGEST),
            root.integer("max_position_embeddings", phi ? 2048 : 4096, 1, Integer.MAX_VALUE),
            phi ? eps : root.number("norm_eps", eps, 0, 1),
            DecoderFields.dropout(root, phi ? "resid_pdrop" : "hidden_dropout"),
            root.number("initializer_range", 0.02, 0, 1));
    boolean headBias = false;
    if (extra != null && extra.has("language")) {
      ConfigFields language = extra.object("language");
      headBias = language.flag("head_bias");
      language.nothingBut();
    }
    return plain.withOptions(
        plain
            .options()
            .withBiases(phi, phi, headBias)
            .withEmbeddingDropout(phi ? DecoderFields.dropout(root, "embd_pdrop") : 0));
  }

  private static int channels(ConfigFields in) {
    int channels = in.integer("num_channels", 3);
    if (channels != 3) throw in.wrong("num_channels", "3, as pictures have,");
    return channels;
  }

  private MoeOptions moe(DecoderConfig decoder, Collection<String> keys) {
    ConfigFields in = root.object("moe");
    if (!in.flag("moe_enable", true)) return null;
    if (in.flag("use_residual", false)) throw in.wrong("use_residual", "false");
    List<Integer> layers = in.integers("moe_layers_idx");
    if (layers.isEmpty()) {
      throw in.wrong(
          "moe_layers_idx",
          "at least one layer (a model without experts has \"moe_enable\" false)");
    }
    boolean known = layers.stream().allMatch(i -> i >= 0 && i < decoder.layers());
    if (!known || layers.stream().distinct().count() < layers.size()) {
      throw in.wrong(
          "moe_layers_idx", "a list of layers, each once, from 0 to " + (decoder.layers() - 1));
    }
    List<Integer> counts = in.anyIntegers("num_experts");
    boolean each = counts.size() == layers.size() || counts.size() == 1;
    if (!each || counts.stream().distinct().count() != 1) {
      throw in.wrong(
          "num_experts",
          "one number of experts, the same for each MoE layer (moe_layers_idx has %d),"
              .formatted(layers.size()));
    }
    int experts = counts.getFirst();
    if (experts < 1 || experts > MOST) throw in.wrong("num_experts", "1 to " + MOST);
    if (!MODES.contains(in.text("moe_mode"))) {
      throw in.wrong("moe_mode", "one of " + String.join(", ", MODES));
    }
    boolean sparse = in.text("moe_mode").equals("sparse");
    List<Integer> even =
        IntStream.range(0, decoder.layers()).filter(i -> i % 2 == 0).boxed().toList();
    if (sparse && !layers.equals(even)) throw in.wrong("moe_layers_idx", even + " (\"sparse\")");
    int topK = in.integer("top_k_experts", 1, experts);
    Router.Weighting weighting =
        topK == 1 ? Router.Weighting.PROBABILITY : Router.Weighting.RENORMALISED;
    boolean meta = keys.stream().anyMatch(key -> key.contains(CheckpointKeys.META));
    if (extra != null) {
      ConfigFields own = extra.object("moe");
      weighting =
          switch (own.text("weighting")) {
            case "probability" -> Router.Weighting.PROBABILITY;
            case "renormalised" -> Router.Weighting.RENORMALISED;
            default -> throw own.wrong("weighting", "\"probability\" or \"renormalised\"");
          };
      meta = own.flag("meta_expert");
      own.nothingBut();
    } else if (topK > 2) {
      throw in.wrong("top_k_experts", "1 or 2 (the published code has no more)");
    }
    MoeOptions out =
        new MoeOptions(
            experts,
            topK,
            weighting,
            meta,
            sparse ? null : layers,
            in.number("router_aux_loss_coef", 0.01, 0, 1e9));
    int moeLayers = out.layersOf(decoder.layers()).size();
    if ((long) out.experts() * moeLayers > DecoderFields.MAX_PARTS) {
      throw in.wrong("num_experts", "at most %d in all".formatted(DecoderFields.MAX_PARTS));
    }
    in.nothingBut(
        "ep_size", "capacity_factor", "eval_capacity_factor", "min_capacity", "train_modules");
    return out;
  }
}
