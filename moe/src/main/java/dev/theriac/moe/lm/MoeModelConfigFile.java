package dev.theriac.moe.lm;

import dev.theriac.backend.UnaryKind;
import dev.theriac.io.ConfigFields;
import dev.theriac.io.FileException;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.DecoderFields;
import dev.theriac.llm.DecoderFields.Defaults;
import dev.theriac.llm.DecoderOptions;
import dev.theriac.llm.ModelFiles;
import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.lm.MoeModelConfig.Kind;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** {@link MoeModelConfig} as {@code config.json}; defaults are those of transformers. */
final class MoeModelConfigFile {
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final int MOST_EXPERTS = 1 << 16;
  private static final int WIDEST = 1 << 24;

  private MoeModelConfigFile() {}

  static MoeModelConfig read(Path file) {
    ConfigFields in = ConfigFields.read(file);
    Kind kind = DecoderFields.kind(in, Kind.values(), k -> k.modelType);
    DecoderFields fields = new DecoderFields(in, defaults(kind));
    MoeModelConfig config =
        DecoderFields.fitting(
            file,
            () ->
                switch (kind) {
                  case MIXTRAL -> mixtral(in, fields);
                  case QWEN2_MOE -> qwen2(in, fields);
                  case OLMOE -> olmoe(in, fields);
                });
    if ((long) config.experts() * config.moeLayers().size() > DecoderFields.MAX_PARTS) {
      throw new FileException(
          file,
          "%d experts in %d layers; there may be %d in all"
              .formatted(config.experts(), config.moeLayers().size(), DecoderFields.MAX_PARTS));
    }
    return config;
  }

  private static Defaults defaults(Kind kind) {
    Family f = Family.LLAMA;
    return switch (kind) {
      case MIXTRAL ->
          new Defaults(f, 32000, 4096, 14336, 32, 32, 8, 4096 * 32, 1, 1e6, 1e-5, 1, 2, null);
      case QWEN2_MOE ->
          new Defaults(f, 151936, 2048, 5632, 24, 16, 16, 32768, 1, 1e4, 1e-6, null, null, null);
      case OLMOE ->
          new Defaults(f, 50304, 2048, 2048, 16, 16, 0, 4096, 1, 1e4, 1e-5, null, 50279, 1);
    };
  }

  private static DecoderOptions options(ConfigFields in, DecoderFields fields) {
    DecoderOptions options = fields.options();
    if (options.activation() == UnaryKind.QUICK_GELU) {
      throw in.wrong("hidden_act", "one of silu, gelu, gelu_new and relu (of experts)");
    }
    return options;
  }

  private static Weighting weighting(ConfigFields in) {
    return in.flag("norm_topk_prob", false) ? Weighting.RENORMALISED : Weighting.PROBABILITY;
  }

  /** A factor, 0 or more and no infinity. */
  private static double factor(ConfigFields in, String name, double other) {
    double value = in.number(name, other);
    if (!(value >= 0 && value < 1e9)) throw in.wrong(name, "a number, 0 or more");
    return value;
  }

  private static MoeModelConfig mixtral(ConfigFields in, DecoderFields fields) {
    DecoderOptions options = fields.everywhere(options(in, fields), 0);
    DecoderConfig decoder = fields.decoder(false, false, 0, options);
    String count = in.has("num_experts") ? "num_experts" : "num_local_experts";
    return new MoeModelConfig(
        Kind.MIXTRAL,
        decoder,
        fields.positive(count, 8, MOST_EXPERTS),
        fields.positive("num_experts_per_tok", 2, MOST_EXPERTS),
        Weighting.RENORMALISED,
        decoder.intermediate(),
        0,
        MoeModelConfig.layers(decoder.layers(), 1, List.of()),
        factor(in, "router_aux_loss_coef", 0.001),
        fields.dropout("router_jitter_noise"),
        fields.bosId(),
        fields.endIds(),
        fields.padId());
  }

  private static MoeModelConfig qwen2(ConfigFields in, DecoderFields fields) {
    int last = in.integer("max_window_layers", 28);
    DecoderOptions options = fields.some(options(in, fields), i -> i % 2 == 0 && i < last);
    DecoderConfig decoder = fields.decoder(in.flag("qkv_bias", true), false, 0, options);
    int step = fields.positive("decoder_sparse_step", 1, Integer.MAX_VALUE);
    return new MoeModelConfig(
        Kind.QWEN2_MOE,
        decoder,
        fields.positive("num_experts", 60, MOST_EXPERTS),
        fields.positive("num_experts_per_tok", 4, MOST_EXPERTS),
        weighting(in),
        fields.positive("moe_intermediate_size", 1408, WIDEST),
        fields.positive("shared_expert_intermediate_size", 5632, WIDEST),
        MoeModelConfig.layers(decoder.layers(), step, in.anyIntegers("mlp_only_layers")),
        factor(in, "router_aux_loss_coef", 0.001),
        0,
        fields.bosId(),
        fields.endIds(),
        fields.padId());
  }

  private static MoeModelConfig olmoe(ConfigFields in, DecoderFields fields) {
    fields.noWindow();
    boolean bias = in.flag("attention_bias", false);
    double clip = in.number("clip_qkv", 0);
    if (in.has("clip_qkv") && !(clip > 0 && clip < 1e9)) {
      throw in.wrong("clip_qkv", "null or a number above 0");
    }
    DecoderOptions options = options(in, fields).withBiases(bias, false, false).withClipQkv(clip);
    DecoderConfig decoder = fields.decoder(bias, true, 0, options);
    return new MoeModelConfig(
        Kind.OLMOE,
        decoder,
        fields.positive(
            in.has("num_local_experts") ? "num_local_experts" : "num_experts", 64, MOST_EXPERTS),
        fields.positive("num_experts_per_tok", 8, MOST_EXPERTS),
        weighting(in),
        decoder.intermediate(),
        0,
        MoeModelConfig.layers(decoder.layers(), 1, List.of()),
        factor(in, "router_aux_loss_coef", 0.01),
        0,
        fields.bosId(),
        fields.endIds(),
        fields.padId());
  }

  static String json(MoeModelConfig config, String dtype) {
    DecoderConfig d = config.decoder();
    Kind kind = config.kind();
    ObjectNode root = JSON.createObjectNode();
    DecoderFields.write(root, d, kind.architecture, kind.modelType, dtype);
    // The reference looks for this one in Mixtral whatever the width.
    if (kind == Kind.MIXTRAL) root.put("head_dim", d.headDim());
    root.put("num_experts_per_tok", config.topK());
    root.put("router_aux_loss_coef", config.auxiliaryCoefficient());
    DecoderFields.writeIds(root, config.bosId(), config.padId(), config.endIds());
    boolean renormalised = config.weighting() == Weighting.RENORMALISED;
    switch (kind) {
      case MIXTRAL -> {
        root.put("num_local_experts", config.experts());
        root.put("router_jitter_noise", config.jitter());
        DecoderFields.writeWindow(root, d.options());
      }
      case QWEN2_MOE -> {
        root.put("num_experts", config.experts()).put("norm_topk_prob", renormalised);
        root.put("moe_intermediate_size", config.expertWidth());
        root.put("shared_expert_intermediate_size", config.sharedWidth());
        root.put("qkv_bias", d.qkvBias()).put("decoder_sparse_step", 1);
        DecoderFields.writeWindows(root, d);
        var dense = root.putArray("mlp_only_layers");
        IntStream.range(0, d.layers())
            .filter(i -> !config.moeLayers().contains(i))
            .forEach(dense::add);
      }
      case OLMOE -> {
        root.put("num_experts", config.experts()).put("norm_topk_prob", renormalised);
        root.put("attention_bias", d.qkvBias());
        double clip = d.options().clipQkv();
        root.put("clip_qkv", clip == 0 ? null : (Double) clip);
      }
    }
    return ModelFiles.pretty(root);
  }
}
