package dev.theriac.vision;

import dev.theriac.vision.VisionConfig.Family;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/** Names and sizes of a vision transformer's parameters, without any of them being made. */
public final class VisionParameters {
  private VisionParameters() {}

  /** Sizes, outermost first, by the paths of {@link VisionTransformer#parameters()}. */
  public static SequencedMap<String, long[]> of(VisionConfig config) {
    SequencedMap<String, long[]> out = new LinkedHashMap<>();
    boolean clip = config.family() == Family.CLIP;
    int dim = config.dim();
    int p = config.patchSize();
    if (clip) out.put("embeddings.class_embedding", new long[] {dim});
    out.put("embeddings.patch_embedding.weight", new long[] {dim, config.channels(), p, p});
    if (!clip) out.put("embeddings.patch_embedding.bias", new long[] {dim});
    out.put("embeddings.position_embedding.weight", new long[] {config.positions(), dim});
    if (clip) norm(out, "pre_layrnorm", dim);
    for (int i = 0; i < config.layers(); i++) {
      String layer = "encoder.layers." + i;
      for (String name : new String[] {"q_proj", "k_proj", "v_proj", "out_proj"}) {
        linear(out, layer + ".self_attn." + name, dim, dim);
      }
      norm(out, layer + ".layer_norm1", dim);
      mlp(out, layer + ".mlp", config);
      norm(out, layer + ".layer_norm2", dim);
    }
    norm(out, "post_layernorm", dim);
    if (config.poolingHead()) {
      out.put("head.probe", new long[] {1, 1, dim});
      out.put("head.attention.in_proj_weight", new long[] {3L * dim, dim});
      out.put("head.attention.in_proj_bias", new long[] {3L * dim});
      linear(out, "head.attention.out_proj", dim, dim);
      norm(out, "head.layernorm", dim);
      mlp(out, "head.mlp", config);
    }
    if (config.projection() > 0) {
      out.put("visual_projection.weight", new long[] {config.projection(), dim});
    }
    return out;
  }

  private static void mlp(SequencedMap<String, long[]> out, String path, VisionConfig config) {
    linear(out, path + ".fc1", config.dim(), config.intermediate());
    linear(out, path + ".fc2", config.intermediate(), config.dim());
  }

  private static void linear(SequencedMap<String, long[]> out, String path, long in, long to) {
    out.put(path + ".weight", new long[] {to, in});
    out.put(path + ".bias", new long[] {to});
  }

  private static void norm(SequencedMap<String, long[]> out, String path, long dim) {
    out.put(path + ".weight", new long[] {dim});
    out.put(path + ".bias", new long[] {dim});
  }
}
