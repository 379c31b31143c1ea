package dev.theriac.llm;

import dev.theriac.io.FileException;
import dev.theriac.nn.QueryKeyNorm;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.function.IntFunction;

/**
 * Paths and shapes of the parameters of a {@link Decoder}, without making one: what a file has to
 * hold is known, and checked, before memory is asked for.
 */
public final class DecoderParameters {
  private DecoderParameters() {}

  /** Those of a decoder with dense feed-forwards, in the order of its parameters. */
  public static SequencedMap<String, long[]> of(DecoderConfig config) {
    SequencedMap<String, long[]> dense = dense(config);
    return of(config, _ -> dense);
  }

  /**
   * The same with other feed-forwards.
   *
   * @param feedForwards the parameters of each layer's, by their paths in it
   */
  public static SequencedMap<String, long[]> of(
      DecoderConfig config, IntFunction<SequencedMap<String, long[]>> feedForwards) {
    SequencedMap<String, long[]> out = new LinkedHashMap<>();
    out.put("embed_tokens.weight", new long[] {config.vocabulary(), config.dim()});
    for (int i = 0; i < config.layers(); i++) {
      String layer = "layers." + i + ".";
      attention(config, layer + "self_attn.", out);
      feedForwards.apply(i).forEach((path, shape) -> out.put(layer + "mlp." + path, shape));
      norm(config, layer + "input_layernorm", out);
      if (!config.options().parallelResidual()) {
        norm(config, layer + "post_attention_layernorm", out);
      }
    }
    norm(config, Decoder.finalNorm(config), out);
    if (!config.tiedHead()) {
      out.put("lm_head.weight", new long[] {config.vocabulary(), config.dim()});
    }
    if (config.options().headBias()) out.put("lm_head.bias", new long[] {config.vocabulary()});
    return out;
  }

  /**
   * The same for a file that is meant to hold them: a configuration that describes many more
   * tensors than there are is refused before a list of them is made.
   */
  static SequencedMap<String, long[]> in(DecoderConfig config, ModelWeights file) {
    checkCount(config, file);
    return of(config);
  }

  /**
   * Refuses a configuration that describes many more tensors than there are.
   *
   * @throws FileException naming both numbers
   */
  public static void checkCount(DecoderConfig config, ModelWeights file) {
    boolean perHead = config.queryKeyNorm() == QueryKeyNorm.Kind.LAYER_PER_HEAD;
    long least = config.layers() * (perHead ? (long) config.heads() + config.kvHeads() : 1);
    if (least > file.keys().size()) {
      throw new FileException(
          file.path(),
          "config.json describes %d layers (num_hidden_layers) of %d heads, but there are only %d tensors"
              .formatted(config.layers(), config.heads(), file.keys().size()));
    }
  }

  /** The parameters of a dense feed-forward, by their paths in it. */
  public static SequencedMap<String, long[]> dense(DecoderConfig config) {
    SequencedMap<String, long[]> out = new LinkedHashMap<>();
    boolean bias = config.options().mlpBias();
    long dim = config.dim();
    long hidden = config.intermediate();
    switch (config.family()) {
      case PHI -> {
        linear("fc1", dim, hidden, bias, out);
        linear("fc2", hidden, dim, bias, out);
      }
      case STABLELM, LLAMA -> {
        linear("gate_proj", dim, hidden, bias, out);
        linear("up_proj", dim, hidden, bias, out);
        linear("down_proj", hidden, dim, bias, out);
      }
    }
    return out;
  }

  private static void attention(
      DecoderConfig config, String prefix, SequencedMap<String, long[]> out) {
    long inner = (long) config.heads() * config.headDim();
    long kvInner = (long) config.kvHeads() * config.headDim();
    linear(prefix + "q_proj", config.dim(), inner, config.qkvBias(), out);
    linear(prefix + "k_proj", config.dim(), kvInner, config.qkvBias(), out);
    linear(prefix + "v_proj", config.dim(), kvInner, config.qkvBias(), out);
    String last = DecoderLayer.outputName(config);
    linear(prefix + last, inner, config.dim(), config.options().outputBias(), out);
    switch (config.queryKeyNorm()) {
      case NONE -> {}
      case RMS_WHOLE -> {
        out.put(prefix + "q_norm.weight", new long[] {inner});
        out.put(prefix + "k_norm.weight", new long[] {kvInner});
      }
      case LAYER_SHARED -> {
        for (String norm : new String[] {"q_layernorm", "k_layernorm"}) {
          out.put(prefix + norm + ".weight", new long[] {config.headDim()});
          out.put(prefix + norm + ".bias", new long[] {config.headDim()});
        }
      }
      case LAYER_PER_HEAD -> {
        heads(prefix + "q_layernorm", config.heads(), config.headDim(), out);
        heads(prefix + "k_layernorm", config.kvHeads(), config.headDim(), out);
      }
    }
  }

  private static void heads(
      String prefix, int heads, int headDim, SequencedMap<String, long[]> out) {
    for (int h = 0; h < heads; h++) {
      out.put(prefix + ".norms." + h + ".weight", new long[] {headDim});
    }
  }

  private static void linear(
      String path, long in, long width, boolean bias, SequencedMap<String, long[]> out) {
    out.put(path + ".weight", new long[] {width, in});
    if (bias) out.put(path + ".bias", new long[] {width});
  }

  private static void norm(DecoderConfig config, String path, SequencedMap<String, long[]> out) {
    out.put(path + ".weight", new long[] {config.dim()});
    if (config.family() != DecoderConfig.Family.LLAMA) {
      out.put(path + ".bias", new long[] {config.dim()});
    }
  }
}
