package dev.theriac.moe.medmoe;

import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionParameters;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.function.Predicate;

/**
 * The sizes of a {@link MedMoe}, from which names and shapes of all its parameters follow without
 * any of them being made.
 *
 * @param moe how it is a mixture of experts, or null for a dense model
 */
public record ModelShape(VisionConfig vision, DecoderConfig language, MoeOptions moe) {
  /** The shape of an existing model. */
  public static ModelShape of(MedMoe model) {
    return new ModelShape(model.vision().config(), model.language().config(), model.moe());
  }

  /** The same model before it was up-cycled. */
  public ModelShape dense() {
    return new ModelShape(vision, language, null);
  }

  /**
   * Sizes of each parameter, outermost first, by the paths of {@link MedMoe#parameters()}; experts'
   * weights are stacked.
   */
  public SequencedMap<String, long[]> parameters() {
    SequencedMap<String, long[]> out = new LinkedHashMap<>();
    addVision(out);
    linear(out, "projector.0", vision.dim(), language.dim(), true);
    linear(out, "projector.2", language.dim(), language.dim(), true);
    addLanguage(out);
    return out;
  }

  /** Number of values in the parameters whose path satisfies {@code wanted}. */
  public long count(Predicate<String> wanted) {
    return parameters().entrySet().stream()
        .filter(e -> wanted.test(e.getKey()))
        .mapToLong(e -> size(e.getValue()))
        .sum();
  }

  /** The same, but of the experts only as many as a token passes: what one token activates. */
  public long activeCount(Predicate<String> wanted) {
    long all = count(wanted);
    if (moe == null) return all;
    long experts = count(wanted.and(path -> path.contains(".mlp.experts.")));
    return all - experts / moe.experts() * (moe.experts() - moe.topK());
  }

  static long size(long[] shape) {
    long size = 1;
    for (long n : shape) size *= n;
    return size;
  }

  private void addVision(SequencedMap<String, long[]> out) {
    VisionParameters.of(vision).forEach((path, shape) -> out.put("vision." + path, shape));
  }

  private void addLanguage(SequencedMap<String, long[]> out) {
    boolean phi = language.family() == Family.PHI;
    int dim = language.dim();
    long[] table = {language.vocabulary(), dim};
    out.put("language.embed_tokens.weight", table);
    for (int i = 0; i < language.layers(); i++) {
      String layer = "language.layers." + i;
      String attention = layer + ".self_attn.";
      long keys = (long) language.kvHeads() * language.headDim();
      linear(out, attention + "q_proj", dim, dim, true);
      linear(out, attention + "k_proj", dim, keys, true);
      linear(out, attention + "v_proj", dim, keys, true);
      linear(out, attention + (phi ? "dense" : "o_proj"), dim, dim, phi);
      boolean mixture = moe != null && moe.layersOf(language.layers()).contains(i);
      if (mixture) {
        linear(out, layer + ".mlp.gate.wg", dim, moe.experts(), true);
        feedForward()
            .forEach((path, shape) -> out.put(layer + ".mlp.experts." + path, stacked(shape)));
      }
      if (!mixture || moe.metaExpert()) {
        String place = layer + (mixture ? CheckpointKeys.META : ".mlp.");
        feedForward().forEach((path, shape) -> out.put(place + path, shape));
      }
      norm(out, layer + ".input_layernorm", dim);
      if (!phi) norm(out, layer + ".post_attention_layernorm", dim);
    }
    norm(out, phi ? "language.final_layernorm" : "language.norm", dim);
    out.put("language.lm_head.weight", table.clone());
    if (language.options().headBias()) {
      out.put("language.lm_head.bias", new long[] {language.vocabulary()});
    }
  }

  private SequencedMap<String, long[]> feedForward() {
    SequencedMap<String, long[]> out = new LinkedHashMap<>();
    int dim = language.dim();
    int inner = language.intermediate();
    if (language.family() == Family.PHI) {
      linear(out, "fc1", dim, inner, true);
      linear(out, "fc2", inner, dim, true);
    } else {
      linear(out, "gate_proj", dim, inner, false);
      linear(out, "up_proj", dim, inner, false);
      linear(out, "down_proj", inner, dim, false);
    }
    return out;
  }

  private long[] stacked(long[] shape) {
    long[] out = new long[shape.length + 1];
    out[0] = moe.experts();
    System.arraycopy(shape, 0, out, 1, shape.length);
    return out;
  }

  private static void linear(
      SequencedMap<String, long[]> out, String path, long in, long to, boolean bias) {
    out.put(path + ".weight", new long[] {to, in});
    if (bias) out.put(path + ".bias", new long[] {to});
  }

  private static void norm(SequencedMap<String, long[]> out, String path, long dim) {
    out.put(path + ".weight", new long[] {dim});
    out.put(path + ".bias", new long[] {dim});
  }
}
