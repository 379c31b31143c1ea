package dev.theriac.vision;

import dev.theriac.nn.LayerNorm;
import dev.theriac.nn.Linear;
import dev.theriac.nn.Module;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Autograd;
import dev.theriac.op.Norm;
import dev.theriac.op.Patch;
import dev.theriac.op.ShapeFunctions;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.VisionConfig.Family;
import dev.theriac.vision.VisionConfig.Feature;
import java.util.ArrayList;
import java.util.List;

/**
 * The image half of CLIP (Radford et al., 2021) or SigLIP (Zhai et al., 2023): patch embedding,
 * learned positions, pre-norm blocks. Parameter paths are those of Hugging Face's {@code
 * CLIPVisionModel} and {@code SiglipVisionModel} (including {@code pre_layrnorm}). Weights may be
 * F32, BF16 or F16; everything is computed in F32, on the device where the weights are, to which
 * images are brought. Forward passes may run on several threads.
 */
public final class VisionTransformer extends Module {
  private final VisionConfig config;
  private final Parameter classEmbedding;
  private final Parameter patchEmbedding;
  private final Parameter patchBias;
  private final Parameter positionEmbedding;
  private final LayerNorm preNorm;
  private final List<VisionLayer> layers = new ArrayList<>();
  private final LayerNorm postNorm;
  private final PoolingHead head;
  private final Linear projection;

  public VisionTransformer(VisionConfig config, Rng rng) {
    this.config = config;
    int dim = config.dim();
    double std = config.initStd();
    int p = config.patchSize();
    boolean clip = config.family() == Family.CLIP;
    classEmbedding =
        clip ? parameter("embeddings.class_embedding", Tensor.randn(rng, std, dim)) : null;
    double patchStd = 1 / Math.sqrt((double) config.channels() * p * p);
    patchEmbedding =
        parameter(
            "embeddings.patch_embedding.weight",
            Tensor.randn(rng, patchStd, dim, config.channels(), p, p));
    patchBias = clip ? null : parameter("embeddings.patch_embedding.bias", Tensor.zeros(dim));
    positionEmbedding =
        parameter(
            "embeddings.position_embedding.weight",
            Tensor.randn(rng, std, config.positions(), dim));
    preNorm = clip ? part("pre_layrnorm", new LayerNorm(dim, config.normEps())) : null;
    for (int i = 0; i < config.layers(); i++) {
      layers.add(part("encoder.layers." + i, new VisionLayer(config, rng)));
    }
    postNorm = part("post_layernorm", new LayerNorm(dim, config.normEps()));
    head = config.poolingHead() ? part("head", new PoolingHead(config, rng)) : null;
    projection =
        config.projection() > 0
            ? part("visual_projection", new Linear(dim, config.projection(), false, rng, std))
            : null;
  }

  public VisionConfig config() {
    return config;
  }

  /**
   * The feature that the configuration selects: a hidden state without the final norm, all its
   * positions or the patches only.
   *
   * @param images [B, channels, S, S], normalised
   * @return [B, features, dim]
   */
  public Tensor features(Tensor images) {
    Tensor h = hiddenState(images, config.selectedState());
    boolean all = config.family() == Family.SIGLIP || config.feature() == Feature.CLS_PATCH;
    return all ? h : h.slice(1, 1, h.size(1));
  }

  /**
   * What {@code pooler_output} is in transformers: of CLIP the class token after the last block and
   * the final norm, of SigLIP the pooling head's output.
   *
   * @return [B, dim]
   * @throws IllegalStateException for a SigLIP encoder without pooling head
   */
  public Tensor pooled(Tensor images) {
    if (config.family() == Family.CLIP) {
      return postNorm.forward(hiddenState(images, layers.size()).select(1, 0));
    }
    if (head == null) {
      throw new IllegalStateException(
          "vision: this SigLIP encoder has no pooling head (vision_use_head); use features");
    }
    return head.forward(lastHiddenState(images));
  }

  /**
   * The pooled image in the space shared with texts, CLIP's {@code image_embeds}; not normalised.
   *
   * @return [B, projection]
   * @throws IllegalStateException when there is no projection
   */
  public Tensor embed(Tensor images) {
    if (projection == null) {
      throw new IllegalStateException(
          "vision: this encoder has no projection (visual_projection); use pooled");
    }
    return projection.forward(pooled(images));
  }

  /**
   * What {@code last_hidden_state} is in transformers: of CLIP the last block's output, of SigLIP
   * the same after the final norm.
   *
   * @return [B, positions, dim]
   */
  public Tensor lastHiddenState(Tensor images) {
    Tensor h = hiddenState(images, layers.size());
    return config.family() == Family.CLIP ? h : postNorm.forward(h);
  }

  /**
   * Hidden state {@code index}: 0 is what enters the first block, i the output of block i, -1 the
   * last one. Blocks after it are not run.
   *
   * @return [B, positions, dim]
   * @throws IllegalArgumentException for images of another size, or an index that there is not
   */
  public Tensor hiddenState(Tensor images, int index) {
    int state = index < 0 ? layers.size() + 1 + index : index;
    if (state < 0 || state > layers.size()) {
      throw new IllegalArgumentException(
          "vision: hidden state %d; there are 0 to %d, or -1 to %d"
              .formatted(index, layers.size(), -layers.size() - 1));
    }
    Tensor h = embeddings(images.to(device()));
    if (preNorm != null) h = preNorm.forward(h);
    if (state == 0) return h;
    Norm.Added added = new Norm.Added(h, layers.getFirst().inputNorm().forward(h));
    for (int i = 0; i < state; i++) {
      LayerNorm next = i + 1 < state ? layers.get(i + 1).inputNorm() : null;
      added = step(layers.get(i), added, next);
    }
    return added.sum();
  }

  /** A block; where no gradient will ask for it, only what it returns is held afterwards. */
  private static Norm.Added step(VisionLayer layer, Norm.Added in, LayerNorm next) {
    if (Autograd.enabled()) return layer.forward(in, next);
    try (Scope scope = Scope.open()) {
      Norm.Added out = layer.forward(in, next);
      scope.keep(out.sum());
      if (next != null) scope.keep(out.norm());
      in.sum().close();
      in.norm().close();
      return out;
    }
  }

  private Tensor embeddings(Tensor images) {
    int size = config.imageSize();
    int channels = config.channels();
    if (images.rank() != 4
        || images.size(1) != channels
        || images.size(2) != size
        || images.size(3) != size) {
      throw new IllegalArgumentException(
          "vision: images %s, [B, %d, %d, %d] is wanted; preprocess them to that size"
              .formatted(images.layout(), channels, size, size));
    }
    int seen = size - size % config.patchSize();
    Tensor whole = seen == size ? images : images.slice(2, 0, seen).slice(3, 0, seen);
    Tensor bias = patchBias == null ? null : patchBias.value();
    Tensor patches = Patch.embed(whole, patchEmbedding.value(), bias);
    Tensor positions = positionEmbedding.value().to(DType.F32);
    if (classEmbedding == null) return patches.add(positions);
    Tensor token = classEmbedding.value().to(DType.F32).expand(images.size(0), 1, config.dim());
    return ShapeFunctions.concat(1, List.of(token, patches)).add(positions);
  }
}
