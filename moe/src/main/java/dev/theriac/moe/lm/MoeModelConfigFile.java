package dev.theriac.moe.lm;

import dev.theriac.io.ConfigFields;
import dev.theriac.io.FileException;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.lm.MoeModelConfig.Kind;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** {@link MoeModelConfig} as {@code config.json}; defaults are those of transformers. */
final class MoeModelConfigFile {
  private static final JsonMapper JSON = JsonMapper.builder().build();

  private MoeModelConfigFile() {}

  static MoeModelConfig read(Path file) {
    ConfigFields in = ConfigFields.read(file);
    String type = in.text("model_type");
    Kind kind =
        Arrays.stream(Kind.values())
            .filter(k -> k.modelType.equals(type))
            .findFirst()
            .orElseThrow(() ->
                in.wrong(
                    "model_type",
                    Arrays.stream(Kind.values())
                        .map(k -> k.modelType)
                        .collect(Collectors.joining(", ", "one of ", ""))));
    refuse(in);
    try {
      return switch (kind) {
        case MIXTRAL -> mixtral(in);
        case QWEN2_MOE -> qwen2(in);
        case OLMOE -> olmoe(in);
      };
    } catch (IllegalArgumentException e) {
      throw new FileException(file, "sizes that do not fit: " + e.getMessage(), e);
    }
  }

  /** What would change the numbers and is not there. */
  private static void refuse(ConfigFields in) {
    if (in.has("hidden_act") && !in.text("hidden_act").equals("silu")) {
      throw in.wrong("hidden_act", "\"silu\"");
    }
    if (in.flag("attention_bias", false)) throw in.wrong("attention_bias", "false");
    if (in.number("attention_dropout", 0) != 0) throw in.wrong("attention_dropout", "0");
    if (in.has("clip_qkv")) throw in.wrong("clip_qkv", "null");
    boolean windowed = in.flag("use_sliding_window", in.text("model_type").equals("mixtral"));
    int positions = in.integer("max_position_embeddings");
    if (windowed && in.integer("sliding_window", positions) < positions) {
      throw in.wrong("sliding_window", "null, or at least max_position_embeddings,");
    }
    if (in.has("rope_scaling")) throw in.wrong("rope_scaling", "null");
  }

  private static double ropeTheta(ConfigFields in, double other) {
    if (!in.has("rope_parameters")) return in.number("rope_theta", other);
    ConfigFields rope = in.object("rope_parameters");
    if (rope.has("rope_type") && !rope.text("rope_type").equals("default")) {
      throw rope.wrong("rope_type", "\"default\"");
    }
    return rope.number("rope_theta", other);
  }

  private static DecoderConfig decoder(
      ConfigFields in, boolean qkvBias, boolean qkNorm, double theta) {
    int dim = in.integer("hidden_size");
    int heads = in.integer("num_attention_heads");
    if (heads < 1 || !in.has("head_dim") && dim % heads != 0) {
      throw in.wrong("num_attention_heads", "a divisor of hidden_size, which is " + dim + ",");
    }
    int headDim = in.integer("head_dim", dim / heads);
    return new DecoderConfig(
        Family.LLAMA,
        in.integer("vocab_size"),
        dim,
        in.integer("intermediate_size"),
        in.integer("num_hidden_layers"),
        heads,
        in.integer("num_key_value_heads", heads),
        headDim,
        headDim,
        ropeTheta(in, theta),
        in.integer("max_position_embeddings"),
        in.number("rms_norm_eps"),
        0,
        in.number("initializer_range", 0.02),
        qkvBias,
        qkNorm,
        in.flag("tie_word_embeddings", false));
  }

  private static Weighting weighting(ConfigFields in) {
    return in.flag("norm_topk_prob", false) ? Weighting.RENORMALISED : Weighting.PROBABILITY;
  }

  private static MoeModelConfig mixtral(ConfigFields in) {
    DecoderConfig decoder = decoder(in, false, false, 1e6);
    return new MoeModelConfig(
        Kind.MIXTRAL,
        decoder,
        in.integer("num_local_experts"),
        in.integer("num_experts_per_tok"),
        Weighting.RENORMALISED,
        decoder.intermediate(),
        0,
        MoeModelConfig.layers(decoder.layers(), 1, List.of()),
        in.number("router_aux_loss_coef", 0.001),
        in.number("router_jitter_noise", 0),
        in.anyIntegers("eos_token_id"));
  }

  private static MoeModelConfig qwen2(ConfigFields in) {
    DecoderConfig decoder = decoder(in, in.flag("qkv_bias", true), false, 1e4);
    int step = in.integer("decoder_sparse_step", 1);
    if (step < 1) throw in.wrong("decoder_sparse_step", "1 or more");
    return new MoeModelConfig(
        Kind.QWEN2_MOE,
        decoder,
        in.integer("num_experts"),
        in.integer("num_experts_per_tok"),
        weighting(in),
        in.integer("moe_intermediate_size"),
        in.integer("shared_expert_intermediate_size"),
        MoeModelConfig.layers(decoder.layers(), step, in.anyIntegers("mlp_only_layers")),
        in.number("router_aux_loss_coef", 0.001),
        0,
        in.anyIntegers("eos_token_id"));
  }

  private static MoeModelConfig olmoe(ConfigFields in) {
    DecoderConfig decoder = decoder(in, false, true, 1e4);
    return new MoeModelConfig(
        Kind.OLMOE,
        decoder,
        in.integer("num_experts"),
        in.integer("num_experts_per_tok"),
        weighting(in),
        decoder.intermediate(),
        0,
        MoeModelConfig.layers(decoder.layers(), 1, List.of()),
        in.number("router_aux_loss_coef", 0.01),
        0,
        in.anyIntegers("eos_token_id"));
  }

  static String json(MoeModelConfig config, String dtype) {
    DecoderConfig d = config.decoder();
    ObjectNode root = JSON.createObjectNode();
    root.putArray("architectures").add(config.kind().architecture);
    root.put("model_type", config.kind().modelType).put("dtype", dtype);
    root.put("vocab_size", d.vocabulary()).put("hidden_size", d.dim());
    root.put("intermediate_size", d.intermediate()).put("num_hidden_layers", d.layers());
    root.put("num_attention_heads", d.heads()).put("num_key_value_heads", d.kvHeads());
    root.put("head_dim", d.headDim()).put("hidden_act", "silu");
    root.put("max_position_embeddings", d.maxPositions()).put("rms_norm_eps", d.normEps());
    root.put("initializer_range", d.initStd()).put("tie_word_embeddings", d.tiedHead());
    root.put("attention_dropout", 0.0).put("rope_theta", d.ropeTheta());
    root.putObject("rope_parameters").put("rope_theta", d.ropeTheta()).put("rope_type", "default");
    root.put("num_experts_per_tok", config.topK());
    root.put("router_aux_loss_coef", config.auxiliaryCoefficient());
    if (config.endIds().isEmpty()) root.putNull("eos_token_id");
    else config.endIds().forEach(root.withArray("eos_token_id")::add);
    boolean renormalised = config.weighting() == Weighting.RENORMALISED;
    switch (config.kind()) {
      case MIXTRAL -> {
        root.put("num_local_experts", config.experts());
        root.put("router_jitter_noise", config.jitter());
      }
      case QWEN2_MOE -> {
        root.put("num_experts", config.experts()).put("norm_topk_prob", renormalised);
        root.put("moe_intermediate_size", config.expertWidth());
        root.put("shared_expert_intermediate_size", config.sharedWidth());
        root.put("qkv_bias", d.qkvBias()).put("decoder_sparse_step", 1);
        var dense = root.putArray("mlp_only_layers");
        IntStream.range(0, d.layers())
            .filter(i -> !config.moeLayers().contains(i))
            .forEach(dense::add);
      }
      case OLMOE -> root.put("num_experts", config.experts()).put("norm_topk_prob", renormalised);
    }
    return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n";
  }
}
