package dev.theriac.moe.lm;

import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.moe.Router.Weighting;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A language model of the Llama family in which some feed-forwards are mixtures of SwiGLU experts.
 *
 * @param kind whose checkpoints it reads and writes
 * @param decoder the decoder; {@code intermediate} is the width of its dense feed-forwards
 * @param experts number of experts E of a layer
 * @param topK experts k that a token passes
 * @param weighting what their outputs are multiplied by
 * @param expertWidth width inside an expert
 * @param sharedWidth width inside the shared expert, whose output a sigmoid gates; 0 for none
 * @param moeLayers indices of the layers with experts, ascending; the others are dense
 * @param auxiliaryCoefficient factor of the load-balance loss
 * @param jitter of the routers' input while training; 0 for none
 * @param bosId token that begins a text, or null
 * @param endIds tokens that end a text
 * @param padId token that fills rows up, or null
 */
public record MoeModelConfig(
    Kind kind,
    DecoderConfig decoder,
    int experts,
    int topK,
    Weighting weighting,
    int expertWidth,
    int sharedWidth,
    List<Integer> moeLayers,
    double auxiliaryCoefficient,
    double jitter,
    Integer bosId,
    List<Integer> endIds,
    Integer padId) {
  /** Families of published models. */
  public enum Kind {
    /** Mixtral (Jiang et al., "Mixtral of experts"). */
    MIXTRAL("mixtral", "MixtralForCausalLM", ExpertKeys.MIXTRAL),
    /** Qwen1.5-MoE and Qwen2-MoE (Yang et al., "Qwen2 technical report"): a gated shared expert. */
    QWEN2_MOE("qwen2_moe", "Qwen2MoeForCausalLM", ExpertKeys.SEPARATE),
    /** OLMoE (Muennighoff et al., "OLMoE: open mixture-of-experts language models"). */
    OLMOE("olmoe", "OlmoeForCausalLM", ExpertKeys.SEPARATE);

    final String modelType;
    final String architecture;
    final ExpertKeys keys;

    Kind(String modelType, String architecture, ExpertKeys keys) {
      this.modelType = modelType;
      this.architecture = architecture;
      this.keys = keys;
    }

    /** The word in the field {@code model_type}. */
    public String modelType() {
      return modelType;
    }

    /** The names of its checkpoints. */
    public ExpertKeys keys() {
      return keys;
    }
  }

  /**
   * @throws IllegalArgumentException naming what does not fit
   */
  public MoeModelConfig {
    moeLayers = List.copyOf(moeLayers);
    endIds = List.copyOf(endIds);
    if (decoder.family() != Family.LLAMA) {
      throw new IllegalArgumentException(
          "moe model: a decoder of family %s, LLAMA is wanted".formatted(decoder.family()));
    }
    if (experts < 1 || topK < 1 || topK > experts || expertWidth < 1 || sharedWidth < 0) {
      throw new IllegalArgumentException(
          "moe model: top-%d of %d experts of width %d, shared width %d"
              .formatted(topK, experts, expertWidth, sharedWidth));
    }
    List<Integer> valid =
        moeLayers.stream().filter(i -> i >= 0 && i < decoder.layers()).distinct().sorted().toList();
    if (!valid.equals(moeLayers)) {
      throw new IllegalArgumentException(
          "moe model: layers %s with experts; ascending indices below %d are wanted"
              .formatted(moeLayers, decoder.layers()));
    }
    if (!(auxiliaryCoefficient >= 0 && jitter >= 0 && jitter < 1)) {
      throw new IllegalArgumentException(
          "moe model: auxiliary coefficient %s (0 or more), jitter %s (0 up to 1)"
              .formatted(auxiliaryCoefficient, jitter));
    }
  }

  /** Without tokens that begin texts or fill rows up. */
  public MoeModelConfig(
      Kind kind,
      DecoderConfig decoder,
      int experts,
      int topK,
      Weighting weighting,
      int expertWidth,
      int sharedWidth,
      List<Integer> moeLayers,
      double auxiliaryCoefficient,
      double jitter,
      List<Integer> endIds) {
    this(
        kind,
        decoder,
        experts,
        topK,
        weighting,
        expertWidth,
        sharedWidth,
        moeLayers,
        auxiliaryCoefficient,
        jitter,
        null,
        endIds,
        null);
  }

  /** Mistral's Mixtral-8x7B-v0.1: 46.7 billion parameters. */
  public static MoeModelConfig mixtral8x7b() {
    var decoder =
        new DecoderConfig(
            Family.LLAMA, 32000, 4096, 14336, 32, 32, 8, 128, 1e6, 32768, 1e-5, 0, 0.02);
    return new MoeModelConfig(
        Kind.MIXTRAL,
        decoder,
        8,
        2,
        Weighting.RENORMALISED,
        14336,
        0,
        layers(32, 1, List.of()),
        0.02,
        0,
        List.of(2));
  }

  /** Allen AI's OLMoE-1B-7B-0924: 6.9 billion parameters. */
  public static MoeModelConfig olmoe1b7b() {
    var decoder =
        new DecoderConfig(
            Family.LLAMA, 50304, 2048, 1024, 16, 16, 16, 128, 1e4, 4096, 1e-5, 0, 0.02);
    return new MoeModelConfig(
        Kind.OLMOE,
        decoder.withQkNorm(true),
        64,
        8,
        Weighting.PROBABILITY,
        1024,
        0,
        layers(16, 1, List.of()),
        0.01,
        0,
        List.of(50279));
  }

  /** Alibaba's Qwen1.5-MoE-A2.7B: 14.3 billion parameters. */
  public static MoeModelConfig qwen15MoeA27b() {
    var decoder =
        new DecoderConfig(
            Family.LLAMA, 151936, 2048, 5632, 24, 16, 16, 128, 1e6, 8192, 1e-6, 0, 0.02);
    return new MoeModelConfig(
        Kind.QWEN2_MOE,
        decoder.withQkvBias(true),
        60,
        4,
        Weighting.PROBABILITY,
        1408,
        5632,
        layers(24, 1, List.of()),
        0.001,
        0,
        List.of(151643));
  }

  /**
   * Every {@code step}th layer, the last of each step, without those in {@code dense} (Hugging
   * Face's decoder_sparse_step and mlp_only_layers).
   */
  public static List<Integer> layers(int count, int step, List<Integer> dense) {
    if (step < 1) throw new IllegalArgumentException("moe model: a step of %d".formatted(step));
    return IntStream.range(0, count)
        .filter(i -> (i + 1) % step == 0 && !dense.contains(i))
        .boxed()
        .toList();
  }

  /** Values in all parameters. */
  public long parameterCount() {
    return count(experts);
  }

  /** Values that a token's pass reads: of the experts only those chosen. */
  public long activeParameterCount() {
    return count(topK);
  }

  private long count(int each) {
    DecoderConfig d = decoder;
    long dim = d.dim();
    long queries = (long) d.heads() * d.headDim();
    long keys = (long) d.kvHeads() * d.headDim();
    long attention = dim * (2 * queries + 2 * keys);
    if (d.qkvBias()) attention += queries + 2 * keys;
    if (d.options().outputBias()) attention += dim;
    if (d.qkNorm()) attention += queries + keys;
    long mixture = dim * experts + 3 * dim * expertWidth * each;
    if (sharedWidth > 0) mixture += 3 * dim * sharedWidth + dim;
    long dense = 3 * dim * d.intermediate();
    long all = (d.tiedHead() ? 1 : 2) * d.vocabulary() * dim + dim;
    all += d.layers() * (attention + 2 * dim);
    return all + moeLayers.size() * mixture + (d.layers() - moeLayers.size()) * dense;
  }

  /**
   * Reads a Hugging Face {@code config.json}, of transformers 4 or 5, with the defaults of
   * transformers 5.18.
   *
   * @throws dev.theriac.io.FileException naming file and field when one is of the wrong type, does
   *     not fit the others, or asks for what is not supported
   */
  public static MoeModelConfig read(Path file) {
    return MoeModelConfigFile.read(file);
  }

  /** The same as a {@code config.json} for weights of type {@code dtype}, such as float32. */
  String json(String dtype) {
    return MoeModelConfigFile.json(this, dtype);
  }
}
