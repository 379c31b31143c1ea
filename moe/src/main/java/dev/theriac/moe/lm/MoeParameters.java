package dev.theriac.moe.lm;

import dev.theriac.llm.DecoderParameters;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/**
 * Paths and shapes of the parameters of a {@link MoeLanguageModel}, without making one; those of
 * experts are stacked, [E, ...].
 */
public final class MoeParameters {
  private MoeParameters() {}

  /** In the order of the model's parameters; paths are those of its decoder. */
  public static SequencedMap<String, long[]> of(MoeModelConfig config) {
    SequencedMap<String, long[]> dense = DecoderParameters.dense(config.decoder());
    SequencedMap<String, long[]> mixture = mixture(config);
    return DecoderParameters.of(
        config.decoder(), layer -> config.moeLayers().contains(layer) ? mixture : dense);
  }

  private static SequencedMap<String, long[]> mixture(MoeModelConfig config) {
    SequencedMap<String, long[]> out = new LinkedHashMap<>();
    long dim = config.decoder().dim();
    long experts = config.experts();
    long width = config.expertWidth();
    out.put("gate.wg.weight", new long[] {experts, dim});
    out.put("experts.gate_proj.weight", new long[] {experts, width, dim});
    out.put("experts.up_proj.weight", new long[] {experts, width, dim});
    out.put("experts.down_proj.weight", new long[] {experts, dim, width});
    long shared = config.sharedWidth();
    if (shared > 0) {
      out.put("shared_expert.gate_proj.weight", new long[] {shared, dim});
      out.put("shared_expert.up_proj.weight", new long[] {shared, dim});
      out.put("shared_expert.down_proj.weight", new long[] {dim, shared});
      out.put("shared_expert_gate.weight", new long[] {1, dim});
    }
    return out;
  }
}
