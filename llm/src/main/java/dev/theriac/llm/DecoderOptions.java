package dev.theriac.llm;

import dev.theriac.backend.UnaryKind;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.nn.RopeScaling;
import java.util.List;

/**
 * What the configurations of published models may say beside the usual of their family.
 *
 * @param activation of the feed-forward
 * @param outputBias whether the attention's last projection has a bias
 * @param mlpBias whether the feed-forward's projections have one
 * @param headBias whether the head has one, as the published Phi-2 does
 * @param parallelResidual whether one norm feeds attention and feed-forward side by side
 * @param ropeScaling of the rotary frequencies
 * @param slidingWindow positions that a query sees in the layers below; 0 for all before it
 * @param windowedLayers indices of the layers with a window, ascending
 * @param embeddingDropout dropout on the embedded input while training
 * @param attentionDropout dropout on the attention's probabilities while training
 * @param clipQkv bound of projected queries, keys and values, or 0 for none (OLMoE)
 */
public record DecoderOptions(
    UnaryKind activation,
    boolean outputBias,
    boolean mlpBias,
    boolean headBias,
    boolean parallelResidual,
    RopeScaling ropeScaling,
    int slidingWindow,
    List<Integer> windowedLayers,
    double embeddingDropout,
    double attentionDropout,
    double clipQkv) {
  public DecoderOptions {
    windowedLayers = slidingWindow == 0 ? List.of() : List.copyOf(windowedLayers);
    if (slidingWindow < 0 || !isShare(embeddingDropout) || !isShare(attentionDropout)) {
      throw new IllegalArgumentException(
          ("decoder: a window of %d positions (0 or more), embedding dropout %s, attention dropout"
                  + " %s (from 0 up to 1)")
              .formatted(slidingWindow, embeddingDropout, attentionDropout));
    }
    if (!(clipQkv >= 0)) {
      throw new IllegalArgumentException(
          "decoder: queries, keys and values clipped at %s; 0 (not at all) or more is wanted"
              .formatted(clipQkv));
    }
  }

  private static boolean isShare(double p) {
    return p >= 0 && p < 1;
  }

  /** The usual of a family; see {@link Family}. */
  public static DecoderOptions of(Family family) {
    boolean phi = family == Family.PHI;
    UnaryKind activation = phi ? UnaryKind.GELU_TANH : UnaryKind.SILU;
    return new DecoderOptions(
        activation, phi, phi, false, phi, RopeScaling.NONE, 0, List.of(), 0, 0, 0);
  }

  /** A copy with another activation. */
  public DecoderOptions withActivation(UnaryKind wanted) {
    return copy(wanted, outputBias, mlpBias, headBias, parallelResidual, ropeScaling);
  }

  /** A copy with biases in the last projection of attention, the feed-forward and the head. */
  public DecoderOptions withBiases(boolean output, boolean mlp, boolean head) {
    return copy(activation, output, mlp, head, parallelResidual, ropeScaling);
  }

  /** A copy with attention and feed-forward side by side, or one after the other. */
  public DecoderOptions withParallelResidual(boolean wanted) {
    return copy(activation, outputBias, mlpBias, headBias, wanted, ropeScaling);
  }

  /** A copy with scaled rotary frequencies. */
  public DecoderOptions withRopeScaling(RopeScaling wanted) {
    return copy(activation, outputBias, mlpBias, headBias, parallelResidual, wanted);
  }

  /** A copy with a window in the layers named. */
  public DecoderOptions withSlidingWindow(int positions, List<Integer> layers) {
    return new DecoderOptions(
        activation,
        outputBias,
        mlpBias,
        headBias,
        parallelResidual,
        ropeScaling,
        positions,
        layers,
        embeddingDropout,
        attentionDropout,
        clipQkv);
  }

  /** A copy with dropout on the embedded input. */
  public DecoderOptions withEmbeddingDropout(double p) {
    return dropouts(p, attentionDropout);
  }

  /** A copy with dropout on the attention's probabilities. */
  public DecoderOptions withAttentionDropout(double p) {
    return dropouts(embeddingDropout, p);
  }

  private DecoderOptions dropouts(double embedding, double attention) {
    return new DecoderOptions(
        activation,
        outputBias,
        mlpBias,
        headBias,
        parallelResidual,
        ropeScaling,
        slidingWindow,
        windowedLayers,
        embedding,
        attention,
        clipQkv);
  }

  /** A copy with projected queries, keys and values clipped; 0 for not. */
  public DecoderOptions withClipQkv(double bound) {
    return new DecoderOptions(
        activation,
        outputBias,
        mlpBias,
        headBias,
        parallelResidual,
        ropeScaling,
        slidingWindow,
        windowedLayers,
        embeddingDropout,
        attentionDropout,
        bound);
  }

  private DecoderOptions copy(
      UnaryKind act, boolean output, boolean mlp, boolean head, boolean side, RopeScaling rope) {
    return new DecoderOptions(
        act,
        output,
        mlp,
        head,
        side,
        rope,
        slidingWindow,
        windowedLayers,
        embeddingDropout,
        attentionDropout,
        clipQkv);
  }

  /** Positions that a query of a layer sees; 0 for all before it. */
  int window(int layer) {
    return windowedLayers.contains(layer) ? slidingWindow : 0;
  }
}
