package dev.theriac.llm;

import dev.theriac.io.FileException;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.tensor.DType;
import java.nio.file.Path;
import java.util.List;

/**
 * {@code config.json} of a causal language model.
 *
 * @param kind which published family
 * @param decoder its shape
 * @param bosId token that begins a text, or null
 * @param endIds tokens that end a text
 * @param padId token that fills rows up, or null
 */
public record CausalLmConfig(
    Kind kind, DecoderConfig decoder, Integer bosId, List<Integer> endIds, Integer padId) {
  /** Families of published models. */
  public enum Kind {
    /** Phi-1, Phi-1.5 and Phi-2 (Microsoft). */
    PHI("phi", "PhiForCausalLM", Family.PHI),
    /** StableLM 3B, StableLM-2 1.6B and 12B (Stability AI). */
    STABLELM("stablelm", "StableLmForCausalLM", Family.STABLELM),
    /** Llama 1 to 3 (Meta) and the many of their shape. */
    LLAMA("llama", "LlamaForCausalLM", Family.LLAMA),
    /** Mistral 7B (Mistral AI): Llama with a sliding window. */
    MISTRAL("mistral", "MistralForCausalLM", Family.LLAMA),
    /** Qwen2 and Qwen2.5 (Alibaba): Llama with biases on queries, keys and values. */
    QWEN2("qwen2", "Qwen2ForCausalLM", Family.LLAMA);

    final String modelType;
    final String architecture;
    final Family family;

    Kind(String modelType, String architecture, Family family) {
      this.modelType = modelType;
      this.architecture = architecture;
      this.family = family;
    }

    /** The word in the field {@code model_type}. */
    public String modelType() {
      return modelType;
    }
  }

  /**
   * @throws IllegalArgumentException when the decoder is not of the kind's family
   */
  public CausalLmConfig {
    endIds = List.copyOf(endIds);
    if (decoder.family() != kind.family) {
      throw new IllegalArgumentException(
          "%s: a decoder of family %s, %s is wanted"
              .formatted(kind, decoder.family(), kind.family));
    }
    boolean head = decoder.options().headBias();
    if (head != (kind == Kind.PHI)) {
      throw new IllegalArgumentException(
          "%s: a head %s bias; files of this kind have one %s"
              .formatted(kind, head ? "with" : "without", head ? "without" : "with"));
    }
  }

  /**
   * Reads a file, with the defaults of transformers 5.18.
   *
   * @throws FileException naming file, field, what was found and what is wanted: for a field that
   *     is missing or of the wrong type, for sizes that do not fit, and for what would change the
   *     numbers and is not supported
   */
  public static CausalLmConfig read(Path file) {
    return CausalLmConfigFile.read(file);
  }

  /** The file's content. */
  public String json(DType dtype) {
    return CausalLmConfigFile.json(this, dtype);
  }

  /** microsoft/phi-2, with the bias of its head. */
  public static CausalLmConfig phi2() {
    DecoderConfig d = DecoderConfig.phi2();
    DecoderOptions biased = d.options().withBiases(true, true, true);
    return new CausalLmConfig(Kind.PHI, d.withOptions(biased), 50256, List.of(50256), null);
  }

  /** stabilityai/stablelm-2-1_6b. */
  public static CausalLmConfig stableLm2() {
    return new CausalLmConfig(
        Kind.STABLELM, DecoderConfig.stableLm2(), 100257, List.of(100257), null);
  }
}
