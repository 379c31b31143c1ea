package dev.theriac.moe;

import dev.theriac.moe.RouterConfig.Scoring;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.Selection;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.stream.LongStream;

/**
 * A router's decisions for T tokens. Losses, and what only an audit reads, are computed when they
 * are asked for. Like all intermediate results, the tensors live until the backward pass or their
 * scope's end.
 */
public final class Routing {
  /**
   * What training added to the logits.
   *
   * @param clean F32 [T, E], the logits before
   * @param std standard deviation of the noise, rank 0 or [T, E]
   * @param noisy F32 [T, E], the logits after
   */
  record Noise(Tensor clean, Tensor std, Tensor noisy) {}

  private final RouterConfig config;
  private final Tensor logits;
  private final Tensor scores;
  private final Tensor selection;
  private final Tensor experts;
  private final Tensor weights;
  private final TokenMask mask;
  private final Noise noise;
  private final boolean training;
  private volatile long[] unusable;

  Routing(
      RouterConfig config,
      Tensor logits,
      Tensor scores,
      Tensor selection,
      Tensor experts,
      Tensor weights,
      TokenMask mask,
      Noise noise,
      boolean training) {
    if (mask != null && mask.size() != experts.size(0)) {
      throw new IllegalArgumentException(
          "routing: a mask of %d x %d positions for %d tokens"
              .formatted(mask.batch(), mask.length(), experts.size(0)));
    }
    this.config = config;
    this.logits = logits;
    this.scores = scores;
    this.selection = selection;
    this.experts = experts;
    this.weights = weights;
    this.mask = mask;
    this.noise = noise;
    this.training = training;
  }

  /** What the router does. */
  public RouterConfig config() {
    return config;
  }

  /** F32 [T, E]; with the noise of training, if any. */
  public Tensor logits() {
    return logits;
  }

  /** F32 [T, E], what weights are made of: softmax or sigmoids of the logits, without any bias. */
  public Tensor scores() {
    return scores;
  }

  /**
   * F32 [T, E], what experts were chosen by: scores with their correction bias, or scores, or
   * logits; logits too where a row's softmax would be NaN. No gradient. With limited groups a
   * higher one outside of them may be passed over.
   */
  public Tensor selectionScores() {
    return selection;
  }

  /** F32 [T, E], rows that sum to 1: the softmax, or sigmoids divided by their sum. */
  public Tensor probabilities() {
    if (config.scoring() == Scoring.SOFTMAX) return scores;
    long[] all = new long[expertCount()];
    for (int e = 0; e < all.length; e++) all[e] = e;
    Tensor every = Tensor.of(logits.device(), all, 1, all.length).expand(tokens(), all.length);
    return Selection.softmax(logits, every, true);
  }

  /** I64 [T, k], best first; of equal ones the lower id, NaN last. */
  public Tensor experts() {
    return experts;
  }

  /** F32 [T, k], what each chosen expert's output is multiplied by. */
  public Tensor weights() {
    return weights;
  }

  /** Which of the T tokens are no filling; null for all. */
  public TokenMask mask() {
    return mask;
  }

  /** Whether the router was training. */
  public boolean training() {
    return training;
  }

  Noise noise() {
    return noise;
  }

  /**
   * The tokens, filling left out, whose logits decide nothing, or what they were chosen by, as when
   * a correction bias is NaN: one is NaN, or none or an infinite one is the highest. They have
   * distinct experts in range, by the order alone; their weights may be NaN or zero. Whether to
   * refuse or to log them is the caller's to decide. Looked for once, ascending.
   */
  public long[] unusable() {
    long[] rows = unusable;
    if (rows == null) {
      LongStream found = Arrays.stream(Selection.unusableRows(logits));
      if (selection.storage() != logits.storage()) {
        LongStream more = Arrays.stream(Selection.unusableRows(selection));
        found = LongStream.concat(found, more).sorted().distinct();
      }
      rows = found.filter(t -> mask == null || mask.isValid((int) t)).toArray();
      unusable = rows;
    }
    return rows.clone();
  }

  /** Rank 0: {@link Losses#firstChoiceLoadBalance}, to be added to the loss or not. */
  public Tensor auxiliaryLoss() {
    return Losses.firstChoiceLoadBalance(probabilities(), experts, mask);
  }

  public int tokens() {
    return Math.toIntExact(experts.size(0));
  }

  public int expertCount() {
    return Math.toIntExact(logits.size(1));
  }

  public int topK() {
    return Math.toIntExact(experts.size(1));
  }
}
