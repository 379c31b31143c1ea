package dev.theriac.llm;

import dev.theriac.io.ConfigFields;
import dev.theriac.llm.CausalLmConfig.Kind;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.DecoderFields.Defaults;
import dev.theriac.tensor.DType;
import java.nio.file.Path;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** {@link CausalLmConfig} as {@code config.json}; defaults are those of transformers. */
final class CausalLmConfigFile {
  private static final JsonMapper JSON = JsonMapper.builder().build();

  private CausalLmConfigFile() {}

  static CausalLmConfig read(Path file) {
    ConfigFields in = ConfigFields.read(file);
    Kind kind = DecoderFields.kind(in, Kind.values(), k -> k.modelType);
    DecoderFields fields = new DecoderFields(in, defaults(kind));
    return DecoderFields.fitting(
        file,
        () ->
            new CausalLmConfig(
                kind, decoder(kind, in, fields), fields.bosId(), fields.endIds(), fields.padId()));
  }

  private static Defaults defaults(Kind kind) {
    Family f = kind.family;
    return switch (kind) {
      case PHI -> new Defaults(f, 51200, 2048, 8192, 24, 32, 0, 2048, 0.5, 1e4, 1e-5, 1, 2, null);
      case STABLELM ->
          new Defaults(f, 50304, 2560, 6912, 32, 32, 32, 4096, 0.25, 1e4, 1e-5, 0, 0, null);
      case LLAMA -> new Defaults(f, 32000, 4096, 11008, 32, 32, 0, 2048, 1, 1e4, 1e-6, 1, 2, null);
      case MISTRAL ->
          new Defaults(f, 32000, 4096, 14336, 32, 32, 8, 4096 * 32, 1, 1e4, 1e-6, 1, 2, null);
      case QWEN2 ->
          new Defaults(f, 151936, 4096, 22016, 32, 32, 32, 32768, 1, 1e4, 1e-6, null, null, null);
    };
  }

  private static DecoderConfig decoder(Kind kind, ConfigFields in, DecoderFields fields) {
    boolean qkNorm = kind.family != Family.LLAMA && in.flag("qk_layernorm", false);
    boolean qkvBias =
        switch (kind) {
          case PHI, QWEN2 -> true;
          case STABLELM -> in.flag("use_qkv_bias", false);
          case LLAMA -> in.flag("attention_bias", false);
          case MISTRAL -> false;
        };
    double dropout =
        switch (kind) {
          case PHI -> fields.dropout("resid_pdrop");
          case STABLELM -> fields.dropout("hidden_dropout");
          case LLAMA, MISTRAL, QWEN2 -> 0;
        };
    return fields.decoder(qkvBias, qkNorm, dropout, options(kind, in, fields));
  }

  private static DecoderOptions options(Kind kind, ConfigFields in, DecoderFields fields) {
    DecoderOptions options = fields.options();
    if (kind != Kind.MISTRAL && kind != Kind.QWEN2) fields.noWindow();
    return switch (kind) {
      case PHI ->
          options.withBiases(true, true, true).withEmbeddingDropout(fields.dropout("embd_pdrop"));
      case STABLELM -> options.withParallelResidual(in.flag("use_parallel_residual", false));
      case LLAMA ->
          options.withBiases(in.flag("attention_bias", false), in.flag("mlp_bias", false), false);
      case MISTRAL -> fields.everywhere(options, 4096);
      case QWEN2 -> {
        int first = in.integer("max_window_layers", 28);
        yield fields.some(options, i -> i >= first);
      }
    };
  }

  static String json(CausalLmConfig config, DType dtype) {
    DecoderConfig d = config.decoder();
    DecoderOptions o = d.options();
    Kind kind = config.kind();
    ObjectNode root = JSON.createObjectNode();
    DecoderFields.write(root, d, kind.architecture, kind.modelType, ModelFiles.torchName(dtype));
    if (kind.family != Family.LLAMA) root.put("qk_layernorm", d.qkNorm());
    switch (kind) {
      case PHI ->
          root.put("resid_pdrop", d.residualDropout()).put("embd_pdrop", o.embeddingDropout());
      case STABLELM -> {
        root.put("use_qkv_bias", d.qkvBias()).put("hidden_dropout", d.residualDropout());
        root.put("use_parallel_residual", o.parallelResidual());
      }
      case LLAMA -> root.put("attention_bias", d.qkvBias()).put("mlp_bias", o.mlpBias());
      case MISTRAL -> DecoderFields.writeWindow(root, o);
      case QWEN2 -> DecoderFields.writeWindows(root, d);
    }
    DecoderFields.writeIds(root, config.bosId(), config.padId(), config.endIds());
    return ModelFiles.pretty(root);
  }
}
