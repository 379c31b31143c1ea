package dev.theriac.llm;

import dev.theriac.nn.Dropout;
import dev.theriac.nn.KvCache;
import dev.theriac.nn.LayerNorm;
import dev.theriac.nn.Module;
import dev.theriac.nn.SelfAttention;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/**
 * One block. Phi-2: u = LN(x), x' = x + Attn(u) + FFN(u). StableLM-2: x1 = x + Attn(LN1(x)), x2 =
 * x1 + FFN(LN2(x1)). The feed-forward can be replaced, as up-cycling does.
 */
public final class DecoderLayer extends Module {
  private final SelfAttention attention;
  private final LayerNorm inputNorm;
  private final LayerNorm postNorm;
  private final Dropout attentionDropout;
  private final Dropout feedForwardDropout;
  private FeedForward feedForward;

  public DecoderLayer(DecoderConfig config, int index, Rng rng) {
    boolean phi = config.family() == DecoderConfig.Family.PHI;
    double std = config.initStd();
    var shape =
        new SelfAttention.Config(
            config.dim(),
            config.heads(),
            config.kvHeads(),
            config.headDim(),
            true,
            phi,
            phi ? "dense" : "o_proj",
            true,
            config.rotaryDims(),
            config.ropeTheta());
    attention = part("self_attn", new SelfAttention(shape, rng, std, std));
    feedForward = part("mlp", new DenseFeedForward(config, rng));
    inputNorm = part("input_layernorm", new LayerNorm(config.dim(), config.normEps()));
    postNorm =
        phi
            ? null
            : part("post_attention_layernorm", new LayerNorm(config.dim(), config.normEps()));
    double p = config.residualDropout();
    attentionDropout = part("attention_dropout", new Dropout(p, rng.split(1000 + 2L * index)));
    feedForwardDropout = part("mlp_dropout", new Dropout(p, rng.split(1001 + 2L * index)));
  }

  /** Arguments as in {@link SelfAttention#forward}. */
  public FeedForward.Output forward(
      Tensor x, Tensor positions, Tensor lengths, KvCache cache, int index) {
    return forward(x, positions, lengths, cache, index, null);
  }

  /**
   * The same, the feed-forward being given {@code given}; see {@link
   * FeedForward#forward(Tensor,FeedForward.SideInput)}.
   */
  public FeedForward.Output forward(
      Tensor x,
      Tensor positions,
      Tensor lengths,
      KvCache cache,
      int index,
      FeedForward.SideInput given) {
    Tensor u = inputNorm.forward(x);
    Tensor attended =
        attentionDropout.forward(attention.forward(u, positions, lengths, cache, index));
    if (postNorm == null) {
      FeedForward.Output fed = feedForward.forward(u, given);
      Tensor y = x.add(attended).add(feedForwardDropout.forward(fed.value()));
      return new FeedForward.Output(y, fed.side());
    }
    Tensor x1 = x.add(attended);
    FeedForward.Output fed = feedForward.forward(postNorm.forward(x1), given);
    return new FeedForward.Output(x1.add(feedForwardDropout.forward(fed.value())), fed.side());
  }

  public FeedForward feedForward() {
    return feedForward;
  }

  /** Puts another feed-forward in the place of the one there is. */
  public void setFeedForward(FeedForward replacement) {
    feedForward = part("mlp", replacement);
  }
}
