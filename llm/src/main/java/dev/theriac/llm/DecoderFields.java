package dev.theriac.llm;

import dev.theriac.backend.UnaryKind;
import dev.theriac.io.ConfigFields;
import dev.theriac.io.FileException;
import dev.theriac.llm.DecoderConfig.Family;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.function.IntPredicate;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The fields of {@code config.json} that all families of decoders have, dense and with experts,
 * read with the defaults of a family and written. What would change the numbers and is not
 * supported is an error that names file and field; {@code docs/MODELS.md} lists every field.
 */
public final class DecoderFields {
  /** Window of published models that have one. */
  private static final int WINDOW = 4096;

  private static final String SLIDING = "sliding_attention";
  private static final String FULL = "full_attention";

  // Bounds of what a file may ask for before its weights are looked at.
  private static final int MAX_LAYERS = 1 << 12;

  /** Of a model's width, that of a feed-forward, a vocabulary. */
  public static final int MAX_WIDTH = 1 << 24;

  /** Of heads, or of experts, in all layers together; each may have a tensor of its own. */
  public static final int MAX_PARTS = 1 << 20;

  private final ConfigFields in;
  private final Defaults or;

  /**
   * What a family's files mean where they say nothing; sizes are those of transformers.
   *
   * @param kvHeads 0 for as many as query heads
   * @param rotaryShare rotated share of a head
   * @param ropeTheta base of the rotary frequencies
   * @param bosId token that begins a text, or null
   * @param endId token that ends it, or null
   * @param padId token that fills rows up, or null
   */
  public record Defaults(
      Family family,
      int vocabulary,
      int dim,
      int intermediate,
      int layers,
      int heads,
      int kvHeads,
      int positions,
      double rotaryShare,
      double ropeTheta,
      double normEps,
      Integer bosId,
      Integer endId,
      Integer padId) {}

  /**
   * The fields of a file.
   *
   * @throws FileException for quantised weights, and for layers of different shapes
   */
  public DecoderFields(ConfigFields in, Defaults or) {
    this.in = in;
    this.or = or;
    Quantisation.read(in);
    if (in.has("per_layer_config")) {
      throw in.wrong("per_layer_config", "null (all layers have one shape)");
    }
  }

  /** The one of {@code kinds} that the field {@code model_type} names. */
  public static <K> K kind(ConfigFields in, K[] kinds, Function<K, String> name) {
    String type = in.text("model_type");
    for (K kind : kinds) if (name.apply(kind).equals(type)) return kind;
    throw in.wrong(
        "model_type",
        Arrays.stream(kinds).map(name).collect(Collectors.joining(", ", "one of ", "")));
  }

  /** What {@code make} makes of a file's fields; sizes that do not fit are a FileException. */
  public static <C> C fitting(Path file, Supplier<C> make) {
    try {
      return make.get();
    } catch (IllegalArgumentException | ArithmeticException e) {
      throw new FileException(file, "sizes that do not fit: " + e.getMessage(), e);
    }
  }

  /** Number of blocks. */
  public int layers() {
    return positive("num_hidden_layers", or.layers, MAX_LAYERS);
  }

  /** Width inside the dense feed-forward. */
  public int intermediate() {
    return positive("intermediate_size", or.intermediate, MAX_WIDTH);
  }

  /** A whole number from 1 to {@code most}. */
  public int positive(String name, int other, int most) {
    return in.integer(name, other, 1, most);
  }

  /** A probability of dropout, from 0 to below 1; 0 when it is not said. */
  public double dropout(String name) {
    return dropout(in, name);
  }

  /** The same of any fields. */
  public static double dropout(ConfigFields in, String name) {
    double p = in.number(name, 0);
    if (!(p >= 0 && p < 1)) throw in.wrong(name, "a number from 0 to below 1");
    return p;
  }

  /** The decoder. */
  public DecoderConfig decoder(
      boolean qkvBias, boolean qkNorm, double residualDropout, DecoderOptions options) {
    boolean llama = or.family == Family.LLAMA;
    int dim = positive("hidden_size", or.dim, MAX_WIDTH);
    int heads = positive("num_attention_heads", or.heads, MAX_WIDTH);
    if ((long) heads * layers() > MAX_PARTS) {
      throw in.wrong("num_attention_heads", "at most %d in all layers".formatted(MAX_PARTS));
    }
    if (!in.has("head_dim") && dim % heads != 0) {
      throw in.wrong("num_attention_heads", "a divisor of hidden_size, which is " + dim + ",");
    }
    int headDim = positive("head_dim", Math.max(1, dim / heads), MAX_WIDTH);
    boolean own = or.kvHeads == 0 || in.isNull("num_key_value_heads");
    int kvHeads = positive("num_key_value_heads", own ? heads : or.kvHeads, MAX_WIDTH);
    int positions = positive("max_position_embeddings", or.positions, Integer.MAX_VALUE);
    RopeFields rope = RopeFields.read(in, or.ropeTheta, or.rotaryShare, positions);
    int rotary = (int) (headDim * rope.partial());
    if (rotary % 2 != 0 || llama && rotary != headDim) {
      String wanted = llama ? "1" : "an even number of dimensions of %d".formatted(headDim);
      throw in.wrong("partial_rotary_factor", wanted + " (so that %d turn)".formatted(rotary));
    }
    if (!llama && rope.scaling().share() != 1) {
      throw in.wrong("partial_rotary_factor", "1 (the frequencies are proportional)");
    }
    if (rotary > 0) rope.scaling().checkRotary(rotary);
    DecoderConfig plain =
        new DecoderConfig(
            or.family,
            positive("vocab_size", or.vocabulary, MAX_WIDTH),
            dim,
            intermediate(),
            layers(),
            heads,
            kvHeads,
            headDim,
            rotary,
            rope.theta(),
            positions,
            share(llama ? "rms_norm_eps" : "layer_norm_eps", or.normEps),
            residualDropout,
            share("initializer_range", 0.02),
            qkvBias,
            qkNorm,
            in.flag("tie_word_embeddings", false));
    return plain.withOptions(options.withRopeScaling(rope.scaling()));
  }

  private double share(String name, double other) {
    return in.number(name, other, 0, 1);
  }

  /** The family's options with the file's activation and dropout of attention. */
  public DecoderOptions options() {
    return DecoderOptions.of(or.family)
        .withActivation(activation(or.family == Family.PHI ? "gelu_new" : "silu"))
        .withAttentionDropout(dropout("attention_dropout"));
  }

  private UnaryKind activation(String other) {
    return switch (in.text("hidden_act", other)) {
      case "silu", "swish" -> UnaryKind.SILU;
      case "gelu", "gelu_python" -> UnaryKind.GELU;
      case "gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh", "gelu_python_tanh" ->
          UnaryKind.GELU_TANH;
      case "quick_gelu" -> UnaryKind.QUICK_GELU;
      case "relu" -> UnaryKind.RELU;
      default -> throw in.wrong("hidden_act", "one of silu, gelu, gelu_new, quick_gelu and relu");
    };
  }

  /**
   * With the file's window in every layer, as Mistral has it.
   *
   * @param other positions where the file does not say it; 0 for no window
   */
  public DecoderOptions everywhere(DecoderOptions options, int other) {
    if (in.has("layer_types")) {
      throw in.wrong("layer_types", "null (all layers of this family are alike)");
    }
    int window = in.isNull("sliding_window") ? 0 : in.integer("sliding_window", other);
    if (window < 1 && in.has("sliding_window")) throw in.wrong("sliding_window", "1 or more");
    List<Integer> all = new ArrayList<>();
    for (int i = 0; i < layers(); i++) all.add(i);
    return options.withSlidingWindow(window, all);
  }

  /**
   * With windows where {@code use_sliding_window} and {@code layer_types} say, as Qwen2 has them.
   *
   * @param usual the layers that have one where the file does not say it
   */
  public DecoderOptions some(DecoderOptions options, IntPredicate usual) {
    List<String> types = in.texts("layer_types");
    boolean used = in.flag("use_sliding_window", false);
    if (!used && types.contains(SLIDING)) {
      throw in.wrong("layer_types", "\"" + FULL + "\" alone (use_sliding_window is false)");
    }
    List<Integer> windowed = new ArrayList<>();
    for (int i = 0; i < layers(); i++) {
      String type = i < types.size() ? types.get(i) : "";
      if (!types.isEmpty() && !type.equals(SLIDING) && !type.equals(FULL)) {
        throw in.wrong("layer_types", "\"" + SLIDING + "\" or \"" + FULL + "\" for each layer");
      }
      if (used && (types.isEmpty() ? usual.test(i) : type.equals(SLIDING))) windowed.add(i);
    }
    boolean none = in.isNull("sliding_window");
    if (none && types.contains(SLIDING)) {
      throw in.wrong("sliding_window", "1 or more (layer_types has windows)");
    }
    int window = none ? 0 : in.integer("sliding_window", WINDOW);
    if (used && !none && window < 1) throw in.wrong("sliding_window", "1 or more");
    return used ? options.withSlidingWindow(window, windowed) : options;
  }

  /** Refuses windows, which the models of the family do not look at but their caches would. */
  public void noWindow() {
    for (String name : new String[] {"sliding_window", "layer_types"}) {
      if (in.has(name)) throw in.wrong(name, "null (this family has no windows)");
    }
  }

  /** Token that begins a text, or null. */
  public Integer bosId() {
    return id("bos_token_id", or.bosId);
  }

  /** Token that fills rows up, or null; a negative one counts from the vocabulary's end. */
  public Integer padId() {
    Integer id = id("pad_token_id", or.padId);
    int size = in.integer("vocab_size", or.vocabulary);
    if (id != null && (id >= size || id < -size)) {
      // What a model of another vocabulary has as its default is no choice of the file's.
      if (!in.has("pad_token_id")) return null;
      throw in.wrong("pad_token_id", "null or an id of the vocabulary, below %d,".formatted(size));
    }
    return id;
  }

  private Integer id(String name, Integer other) {
    if (in.isNull(name)) return null;
    return in.has(name) ? (Integer) in.integer(name) : other;
  }

  /** Tokens that end a text. */
  public List<Integer> endIds() {
    String name = "eos_token_id";
    if (in.has(name)) return in.anyIntegers(name);
    return in.isNull(name) || or.endId == null ? List.of() : List.of(or.endId);
  }

  /** Writes what every family's file says. */
  public static void write(
      ObjectNode root, DecoderConfig d, String architecture, String modelType, String dtype) {
    DecoderOptions o = d.options();
    root.putArray("architectures").add(architecture);
    root.put("model_type", modelType).put("dtype", dtype).put("torch_dtype", dtype);
    root.put("vocab_size", d.vocabulary()).put("hidden_size", d.dim());
    root.put("intermediate_size", d.intermediate()).put("num_hidden_layers", d.layers());
    root.put("num_attention_heads", d.heads()).put("num_key_value_heads", d.kvHeads());
    root.put("hidden_act", name(o.activation()));
    root.put("max_position_embeddings", d.maxPositions());
    root.put("initializer_range", d.initStd()).put("tie_word_embeddings", d.tiedHead());
    root.put("attention_dropout", o.attentionDropout());
    double share = (double) d.rotaryDims() / d.headDim();
    // Readers cut off what is behind the point.
    if ((int) (share * d.headDim()) < d.rotaryDims()) share = Math.nextUp(share);
    new RopeFields(d.ropeTheta(), share, o.ropeScaling()).write(root);
    if ((long) d.headDim() * d.heads() != d.dim()) root.put("head_dim", d.headDim());
    boolean llama = d.family() == Family.LLAMA;
    root.put(llama ? "rms_norm_eps" : "layer_norm_eps", d.normEps());
  }

  /** Writes the window that every layer has, or null. */
  public static void writeWindow(ObjectNode root, DecoderOptions options) {
    if (options.slidingWindow() > 0) root.put("sliding_window", options.slidingWindow());
    else root.putNull("sliding_window");
  }

  /** Writes windows that some layers have. */
  public static void writeWindows(ObjectNode root, DecoderConfig config) {
    root.put("use_sliding_window", config.options().slidingWindow() > 0);
    writeWindow(root, config.options());
    ArrayNode types = root.putArray("layer_types");
    for (int i = 0; i < config.layers(); i++) {
      types.add(config.options().window(i) > 0 ? SLIDING : FULL);
    }
  }

  /** Writes the special tokens. */
  public static void writeIds(ObjectNode root, Integer bosId, Integer padId, List<Integer> endIds) {
    root.put("bos_token_id", bosId).put("pad_token_id", padId);
    ModelFiles.endIds(root, endIds);
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
}
