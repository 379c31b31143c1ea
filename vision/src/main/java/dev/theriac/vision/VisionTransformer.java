package dev.theriac.vision;

import dev.theriac.nn.LayerNorm;
import dev.theriac.nn.Module;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Norm;
import dev.theriac.op.Patch;
import dev.theriac.op.ShapeFunctions;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * The image half of CLIP (Radford et al., 2021): patch embedding without bias, class token, learned
 * positions, a LayerNorm before the blocks, pre-norm blocks with quick-GELU. Parameter paths are
 * those of Hugging Face's {@code vision_model} (including {@code pre_layrnorm}).
 */
public final class VisionTransformer extends Module {
  private final VisionConfig config;
  private final Parameter classEmbedding;
  private final Parameter patchEmbedding;
  private final Parameter positionEmbedding;
  private final LayerNorm preNorm;
  private final List<VisionLayer> layers = new ArrayList<>();
  private final LayerNorm postNorm;

  public VisionTransformer(VisionConfig config, Rng rng) {
    this.config = config;
    int dim = config.dim();
    double std = config.initStd();
    int p = config.patchSize();
    classEmbedding = parameter("embeddings.class_embedding", Tensor.randn(rng, std, dim));
    patchEmbedding =
        parameter(
            "embeddings.patch_embedding.weight",
            Tensor.randn(rng, 1 / Math.sqrt(3.0 * p * p), dim, 3, p, p));
    positionEmbedding =
        parameter(
            "embeddings.position_embedding.weight",
            Tensor.randn(rng, std, config.patches() + 1L, dim));
    preNorm = part("pre_layrnorm", new LayerNorm(dim, config.normEps()));
    for (int i = 0; i < config.layers(); i++) {
      layers.add(part("encoder.layers." + i, new VisionLayer(config, rng)));
    }
    postNorm = part("post_layernorm", new LayerNorm(dim, config.normEps()));
  }

  public VisionConfig config() {
    return config;
  }

  /**
   * Features of each patch: the selected hidden state without the class token and without the final
   * norm.
   *
   * @param images [B, 3, S, S], normalised
   * @return [B, patches, dim]
   */
  public Tensor patchFeatures(Tensor images) {
    Tensor h = hiddenState(images, layers.size() + 1 + config.selectLayer());
    return h.slice(1, 1, h.size(1));
  }

  /** Class token after the last block and the final norm, [B, dim]. */
  public Tensor pooled(Tensor images) {
    Tensor h = hiddenState(images, layers.size());
    return postNorm.forward(h.select(1, 0));
  }

  /**
   * Hidden state {@code index}: 0 is what enters the first block, i the output of block i. Blocks
   * after it are not run.
   *
   * @return [B, 1 + patches, dim]
   */
  public Tensor hiddenState(Tensor images, int index) {
    int size = config.imageSize();
    if (images.rank() != 4
        || images.size(1) != 3
        || images.size(2) != size
        || images.size(3) != size) {
      throw new IllegalArgumentException(
          "vision: images %s, [B, 3, %d, %d] is wanted; preprocess them to that size"
              .formatted(images.layout(), size, size));
    }
    Tensor patches = Patch.embed(images, patchEmbedding.value(), null);
    Tensor token = classEmbedding.value().expand(images.size(0), 1, config.dim());
    Tensor h = ShapeFunctions.concat(1, List.of(token, patches)).add(positionEmbedding.value());
    h = preNorm.forward(h);
    if (index == 0) return h;
    Norm.Added state = new Norm.Added(h, layers.getFirst().inputNorm().forward(h));
    for (int i = 0; i < index; i++) {
      LayerNorm next = i + 1 < index ? layers.get(i + 1).inputNorm() : null;
      state = layers.get(i).forward(state, next);
    }
    return state.sum();
  }
}
