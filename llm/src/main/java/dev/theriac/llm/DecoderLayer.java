package dev.theriac.llm;

import dev.theriac.nn.Dropout;
import dev.theriac.nn.KvCache;
import dev.theriac.nn.LayerNorm;
import dev.theriac.nn.Module;
import dev.theriac.nn.Normalisation;
import dev.theriac.nn.RmsNorm;
import dev.theriac.nn.SelfAttention;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.Autograd;
import dev.theriac.op.Norm;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;

/**
 * One block. Phi-2, and StableLM with a parallel residual: u = LN(x), x' = x + Attn(u) + FFN(u).
 * StableLM-2 and Llama: x1 = x + Attn(LN1(x)), x2 = x1 + FFN(LN2(x1)), with RMSNorm for Llama. The
 * feed-forward can be replaced, as up-cycling does.
 */
public final class DecoderLayer extends Module {
  private final SelfAttention attention;
  private final Normalisation inputNorm;
  private final Normalisation postNorm;
  private final Dropout attentionDropout;
  private final Dropout feedForwardDropout;
  private FeedForward feedForward;

  /** With fresh weights, drawn in the order attention, feed-forward. */
  public DecoderLayer(DecoderConfig config, int index, Rng rng, FeedForwards feedForwards) {
    double std = config.initStd();
    var shape =
        new SelfAttention.Config(
            config.dim(),
            config.heads(),
            config.kvHeads(),
            config.headDim(),
            config.qkvBias(),
            config.options().outputBias(),
            outputName(config),
            true,
            config.rotaryDims(),
            config.ropeTheta(),
            config.options().ropeScaling(),
            config.queryKeyNorm(),
            config.normEps(),
            config.options().window(index),
            config.options().clipQkv(),
            config.options().attentionDropout());
    attention = part("self_attn", new SelfAttention(shape, rng, std, std));
    feedForward = part("mlp", feedForwards.make(config, index, rng));
    inputNorm = part("input_layernorm", norm(config));
    postNorm =
        config.options().parallelResidual() ? null : part("post_attention_layernorm", norm(config));
    double p = config.residualDropout();
    // StableLM drops from the feed-forward's output alone.
    double attended = config.family() == DecoderConfig.Family.STABLELM ? 0 : p;
    attentionDropout =
        part("attention_dropout", new Dropout(attended, rng.split(1000 + 2L * index)));
    feedForwardDropout = part("mlp_dropout", new Dropout(p, rng.split(1001 + 2L * index)));
  }

  /** Name of the attention's last projection. */
  static String outputName(DecoderConfig config) {
    return config.family() == DecoderConfig.Family.PHI ? "dense" : "o_proj";
  }

  /** The norm of the family. */
  static Normalisation norm(DecoderConfig config) {
    return switch (config.family()) {
      case PHI, STABLELM -> new LayerNorm(config.dim(), config.normEps());
      case LLAMA -> new RmsNorm(config.dim(), config.normEps());
    };
  }

  /** Arguments as in {@link SelfAttention#forward}. */
  public FeedForward.Output forward(
      Tensor x, Tensor positions, Tensor lengths, KvCache cache, int index) {
    return forward(x, positions, lengths, cache, index, null, null);
  }

  /**
   * The same, the feed-forward being given {@code mask} and {@code given}; see {@link
   * FeedForward#forward(Tensor,TokenMask,FeedForward.SideInput)}.
   */
  public FeedForward.Output forward(
      Tensor x,
      Tensor positions,
      Tensor lengths,
      KvCache cache,
      int index,
      TokenMask mask,
      FeedForward.SideInput given) {
    Norm.Added in = new Norm.Added(x, inputNorm.forward(x));
    Step step = step(in, positions, lengths, cache, index, mask, given, null);
    return new FeedForward.Output(step.out().sum(), step.side());
  }

  /** What a block gives: its output, the next norm of that (or null), and the side output. */
  record Step(Norm.Added out, FeedForward.SideOutput side) {}

  /** The norm that comes first. */
  Normalisation inputNorm() {
    return inputNorm;
  }

  /**
   * The block with its norms fused with the residual connections before them.
   *
   * @param in the input and the input norm of it
   * @param next the norm that is applied to the output, or null
   */
  Step step(
      Norm.Added in,
      Tensor positions,
      Tensor lengths,
      KvCache cache,
      int index,
      TokenMask mask,
      FeedForward.SideInput given,
      Normalisation next) {
    Tensor attended =
        attentionDropout.forward(
            Autograd.enabled()
                ? attention.forward(in.norm(), positions, lengths, cache, index)
                : Scope.call(() -> attention.forward(in.norm(), positions, lengths, cache, index)));
    if (postNorm == null) {
      FeedForward.Output fed = feedForward.forward(in.norm(), mask, given);
      return step(in.sum().add(attended), fed, next);
    }
    Norm.Added middle = postNorm.add(in.sum(), attended);
    return step(middle.sum(), feedForward.forward(middle.norm(), mask, given), next);
  }

  private Step step(Tensor x, FeedForward.Output fed, Normalisation next) {
    Tensor r = feedForwardDropout.forward(fed.value());
    return new Step(next == null ? new Norm.Added(x.add(r), null) : next.add(x, r), fed.side());
  }

  public FeedForward feedForward() {
    return feedForward;
  }

  /** Puts another feed-forward in the place of the one there is. */
  public void setFeedForward(FeedForward replacement) {
    feedForward = part("mlp", replacement);
  }
}
