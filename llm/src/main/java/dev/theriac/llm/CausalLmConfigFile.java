package dev.theriac.llm;

import dev.theriac.backend.UnaryKind;
import dev.theriac.io.ConfigFields;
import dev.theriac.io.FileException;
import dev.theriac.llm.CausalLmConfig.Kind;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.tensor.DType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@link CausalLmConfig} as {@code config.json}; defaults are those of transformers. */
final class CausalLmConfigFile {
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final String SLIDING = "sliding_attention";
  private static final String FULL = "full_attention";

  private CausalLmConfigFile() {}

  static CausalLmConfig read(Path file) {
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
    if (in.has("quantization_config")) {
      throw in.wrong("quantization_config", "null (weights in F32, BF16 or F16)");
    }
    if (in.number("attention_dropout", 0) != 0) throw in.wrong("attention_dropout", "0");
    try {
      return new CausalLmConfig(
          kind,
          decoder(kind, in),
          in.has("bos_token_id") ? (Integer) in.integer("bos_token_id") : null,
          in.anyIntegers("eos_token_id"),
          in.has("pad_token_id") ? (Integer) in.integer("pad_token_id") : null);
    } catch (IllegalArgumentException e) {
      throw new FileException(file, "sizes that do not fit: " + e.getMessage(), e);
    }
  }

  /** What transformers takes where a file says nothing. */
  private record Defaults(
      int vocabulary, int dim, int intermediate, int layers, int kvHeads, int positions) {
    static Defaults of(Kind kind) {
      return switch (kind) {
        case PHI -> new Defaults(51200, 2048, 8192, 24, 0, 2048);
        case STABLELM -> new Defaults(50304, 2560, 6912, 32, 32, 4096);
        case LLAMA -> new Defaults(32000, 4096, 11008, 32, 0, 2048);
        case MISTRAL -> new Defaults(32000, 4096, 14336, 32, 8, 4096 * 32);
        case QWEN2 -> new Defaults(151936, 4096, 22016, 32, 32, 32768);
      };
    }
  }

  private static DecoderConfig decoder(Kind kind, ConfigFields in) {
    Defaults or = Defaults.of(kind);
    boolean llama = kind.family == Family.LLAMA;
    int dim = in.integer("hidden_size", or.dim);
    int heads = in.integer("num_attention_heads", 32);
    if (dim < 1 || heads < 1 || !in.has("head_dim") && dim % heads != 0) {
      throw in.wrong("num_attention_heads", "a divisor of hidden_size, which is " + dim + ",");
    }
    int headDim = in.integer("head_dim", dim / heads);
    boolean own = or.kvHeads == 0 || in.isNull("num_key_value_heads");
    int kvHeads = in.integer("num_key_value_heads", own ? heads : or.kvHeads);
    int positions = in.integer("max_position_embeddings", or.positions);
    double share = kind == Kind.PHI ? 0.5 : kind == Kind.STABLELM ? 0.25 : 1;
    RopeFields rope = RopeFields.read(in, share, positions);
    int rotary = (int) (headDim * rope.partial());
    if (rotary % 2 != 0 || llama && rotary != headDim) {
      String wanted = llama ? "1" : "an even number of dimensions of %d".formatted(headDim);
      throw in.wrong("partial_rotary_factor", wanted + " (so that %d turn)".formatted(rotary));
    }
    boolean qkNorm = !llama && in.flag("qk_layernorm", false);
    boolean qkvBias =
        switch (kind) {
          case PHI, QWEN2 -> true;
          case STABLELM -> in.flag("use_qkv_bias", false);
          case LLAMA -> in.flag("attention_bias", false);
          case MISTRAL -> false;
        };
    int layers = in.integer("num_hidden_layers", or.layers);
    DecoderConfig plain =
        new DecoderConfig(
            kind.family,
            in.integer("vocab_size", or.vocabulary),
            dim,
            in.integer("intermediate_size", or.intermediate),
            layers,
            heads,
            kvHeads,
            headDim,
            rotary,
            rope.theta(),
            positions,
            llama ? in.number("rms_norm_eps", 1e-6) : in.number("layer_norm_eps", 1e-5),
            dropout(kind, in),
            in.number("initializer_range", 0.02),
            qkvBias,
            qkNorm,
            in.flag("tie_word_embeddings", false));
    return plain.withOptions(options(kind, in, layers).withRopeScaling(rope.scaling()));
  }

  private static double dropout(Kind kind, ConfigFields in) {
    return switch (kind) {
      case PHI -> in.number("resid_pdrop", 0);
      case STABLELM -> in.number("hidden_dropout", 0);
      case LLAMA, MISTRAL, QWEN2 -> 0;
    };
  }

  private static DecoderOptions options(Kind kind, ConfigFields in, int layers) {
    boolean phi = kind == Kind.PHI;
    DecoderOptions options =
        DecoderOptions.of(kind.family).withActivation(activation(in, phi ? "gelu_new" : "silu"));
    return switch (kind) {
      case PHI ->
          options.withBiases(true, true, true).withEmbeddingDropout(in.number("embd_pdrop", 0));
      case STABLELM -> options.withParallelResidual(in.flag("use_parallel_residual", false));
      case LLAMA ->
          options.withBiases(in.flag("attention_bias", false), in.flag("mlp_bias", false), false);
      case MISTRAL -> {
        int window = in.integer("sliding_window", in.isNull("sliding_window") ? 0 : 4096);
        yield options.withSlidingWindow(window, IntStream.range(0, layers).boxed().toList());
      }
      case QWEN2 -> windows(in, options, layers);
    };
  }

  private static DecoderOptions windows(ConfigFields in, DecoderOptions options, int layers) {
    if (!in.flag("use_sliding_window", false)) {
      if (in.texts("layer_types").contains(SLIDING)) {
        throw in.wrong("layer_types", "\"" + FULL + "\" alone (use_sliding_window is false)");
      }
      return options;
    }
    int window = in.integer("sliding_window", in.isNull("sliding_window") ? 0 : 4096);
    List<String> types = in.texts("layer_types");
    List<Integer> windowed = new ArrayList<>();
    int first = in.integer("max_window_layers", 28);
    for (int i = 0; i < layers; i++) {
      if (types.isEmpty() ? i >= first : layerType(in, types, i).equals(SLIDING)) windowed.add(i);
    }
    return options.withSlidingWindow(window, windowed);
  }

  private static String layerType(ConfigFields in, List<String> types, int layer) {
    String type = layer < types.size() ? types.get(layer) : "";
    if (type.equals(SLIDING) || type.equals(FULL)) return type;
    throw in.wrong("layer_types", "\"" + SLIDING + "\" or \"" + FULL + "\" for each layer");
  }

  private static UnaryKind activation(ConfigFields in, String other) {
    return switch (in.text("hidden_act", other)) {
      case "silu", "swish" -> UnaryKind.SILU;
      case "gelu", "gelu_python" -> UnaryKind.GELU;
      case "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "gelu_python_tanh" -> UnaryKind.GELU_TANH;
      case "quick_gelu" -> UnaryKind.QUICK_GELU;
      case "relu" -> UnaryKind.RELU;
      default -> throw in.wrong("hidden_act", "one of silu, gelu, gelu_new, quick_gelu and relu");
    };
  }

  private static String name(UnaryKind activation) {
    return switch (activation) {
      case SILU -> "silu";
      case GELU -> "gelu";
      case GELU_TANH -> "gelu_new";
      case QUICK_GELU -> "quick_gelu";
      case RELU -> "relu";
      default -> throw new IllegalArgumentException("config.json: no name for " + activation);
    };
  }

  static String json(CausalLmConfig config, DType dtype) {
    DecoderConfig d = config.decoder();
    DecoderOptions o = d.options();
    ObjectNode root = JSON.createObjectNode();
    root.putArray("architectures").add(config.kind().architecture);
    root.put("model_type", config.kind().modelType).put("dtype", ModelFiles.torchName(dtype));
    root.put("torch_dtype", ModelFiles.torchName(dtype));
    root.put("vocab_size", d.vocabulary()).put("hidden_size", d.dim());
    root.put("intermediate_size", d.intermediate()).put("num_hidden_layers", d.layers());
    root.put("num_attention_heads", d.heads()).put("num_key_value_heads", d.kvHeads());
    root.put("hidden_act", name(o.activation()));
    root.put("max_position_embeddings", d.maxPositions());
    root.put("initializer_range", d.initStd()).put("tie_word_embeddings", d.tiedHead());
    root.put("attention_dropout", 0.0);
    double share = (double) d.rotaryDims() / d.headDim();
    // Readers cut off what is behind the point.
    if ((int) (share * d.headDim()) < d.rotaryDims()) share = Math.nextUp(share);
    new RopeFields(d.ropeTheta(), share, o.ropeScaling()).write(root);
    if (d.headDim() * d.heads() != d.dim()) root.put("head_dim", d.headDim());
    boolean llama = config.kind().family == Family.LLAMA;
    root.put(llama ? "rms_norm_eps" : "layer_norm_eps", d.normEps());
    if (!llama) root.put("qk_layernorm", d.qkNorm());
    switch (config.kind()) {
      case PHI ->
          root.put("resid_pdrop", d.residualDropout()).put("embd_pdrop", o.embeddingDropout());
      case STABLELM -> {
        root.put("use_qkv_bias", d.qkvBias()).put("hidden_dropout", d.residualDropout());
        root.put("use_parallel_residual", o.parallelResidual());
      }
      case LLAMA -> root.put("attention_bias", d.qkvBias()).put("mlp_bias", o.mlpBias());
      case MISTRAL -> window(root, o);
      case QWEN2 -> {
        root.put("use_sliding_window", o.slidingWindow() > 0);
        window(root, o);
        ArrayNode types = root.putArray("layer_types");
        for (int i = 0; i < d.layers(); i++) types.add(o.window(i) > 0 ? SLIDING : FULL);
      }
    }
    ids(root, config);
    return ModelFiles.pretty(root);
  }

  private static void window(ObjectNode root, DecoderOptions options) {
    if (options.slidingWindow() > 0) root.put("sliding_window", options.slidingWindow());
    else root.putNull("sliding_window");
  }

  private static void ids(ObjectNode root, CausalLmConfig config) {
    root.put("bos_token_id", config.bosId()).put("pad_token_id", config.padId());
    ModelFiles.endIds(root, config.endIds());
  }
}
