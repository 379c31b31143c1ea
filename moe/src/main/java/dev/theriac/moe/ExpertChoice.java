package dev.theriac.moe;

import dev.theriac.nn.Linear;
import dev.theriac.nn.Module;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.Index;
import dev.theriac.op.RowGroups;
import dev.theriac.op.Selection;
import dev.theriac.op.Selection.Groups;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;

/**
 * Experts choose tokens (Zhou et al. 2022, "Mixture-of-experts with expert choice routing"): each
 * takes the C = ceil(factor * T / E) tokens with the highest softmax score, so that the load is
 * even by construction, while a token may get many experts or none. Equal scores go to the earlier
 * token, NaN comes last, filling is never chosen.
 *
 * <p>Whether a token is chosen depends on the tokens behind it. In a causal model that lets the
 * future leak into the past, and generating one token at a time cannot repeat it; so the use has to
 * be named. {@link ExpertChoiceLayer} puts it into a decoder's feed-forward slot.
 */
public final class ExpertChoice extends Module {
  /** What the layer stands in. */
  public enum Use {
    /** A model in which a token must not depend on those behind it; refused. */
    CAUSAL,
    /** A model that sees whole inputs, such as an image encoder. */
    NON_CAUSAL
  }

  private final Linear gate;
  private final double factor;

  /**
   * @param factor experts that a token gets on average
   * @throws IllegalArgumentException for {@link Use#CAUSAL}
   */
  public ExpertChoice(int dim, int experts, double factor, Use use, Rng rng) {
    if (use == Use.CAUSAL) {
      throw new IllegalArgumentException(
          "expert choice: whether an expert takes a token depends on later tokens, which a causal"
              + " model must not see; use a Router, or say NON_CAUSAL");
    }
    if (!(factor > 0) || Double.isInfinite(factor)) {
      throw new IllegalArgumentException(
          "expert choice: factor %s; give a positive number".formatted(factor));
    }
    this.factor = factor;
    double bound = 1 / Math.sqrt(dim);
    gate = part("wg", new Linear(dim, experts, false, new Rng(0), 0));
    gate.weight().set(Tensor.uniform(rng, -bound, bound, experts, dim));
  }

  /**
   * What the experts chose.
   *
   * @param logits F32 [T, E]
   * @param scores F32 [T, E], softmax over experts
   * @param tokens I64 [E, C], best first; -1 for places that stay empty
   * @param weights F32 [E, C], the scores of the chosen tokens
   * @param groups the rows of each expert, for {@code Experts.forward}
   * @param mask which of the T tokens are no filling; null for all
   */
  public record Choice(
      Tensor logits,
      Tensor scores,
      Tensor tokens,
      Tensor weights,
      RowGroups groups,
      TokenMask mask) {
    /**
     * The tokens, filling left out, whose logits say nothing: one is NaN, or none or an infinite
     * one is the highest. Experts with places left take them all the same, after the others.
     */
    public long[] unusable() {
      long[] rows = Selection.unusableRows(logits);
      if (mask == null) return rows;
      return Arrays.stream(rows).filter(t -> mask.isValid((int) t)).toArray();
    }
  }

  public int experts() {
    return Math.toIntExact(gate.weight().value().size(0));
  }

  /** Places of each expert for T tokens: ceil(factor * T / E), at most T. */
  public int capacity(long tokens) {
    return Math.toIntExact(Capacity.share(factor, 1, tokens, experts()));
  }

  /**
   * Lets experts choose among tokens u [T, dim].
   *
   * @param mask which are no filling; null for all
   */
  public Choice route(Tensor u, TokenMask mask) {
    if (mask != null && mask.size() != u.size(0)) {
      throw new IllegalArgumentException(
          "expert choice: a mask of %d x %d positions for input %s"
              .formatted(mask.batch(), mask.length(), u.layout()));
    }
    Tensor logits = gate.forward(u.to(DType.F32));
    Tensor scores = logits.softmax();
    // [E, M]: what each expert thinks of the tokens that count
    Tensor columns = Losses.counted(scores, mask).transpose(0, 1).contiguous();
    int places = capacity(columns.size(1));
    if (places == 0) return nothing(logits, scores, mask);
    Tensor chosen = Selection.topK(columns.detach(), places, Groups.NONE);
    Tensor weights = Index.gatherColumns(columns, chosen);
    if (mask != null && !mask.isAll()) {
      long[] at = mask.positions();
      long[] ids = Arrays.stream(chosen.toLongs()).map(i -> at[(int) i]).toArray();
      chosen = Tensor.of(chosen.device(), ids, chosen.shape());
    }
    return new Choice(
        logits, scores, chosen, weights, RowGroups.ofColumns(chosen, u.size(0)), mask);
  }

  /** One empty place for each expert: nobody is there to be chosen. */
  private Choice nothing(Tensor logits, Tensor scores, TokenMask mask) {
    long[] empty = new long[experts()];
    Arrays.fill(empty, -1);
    Tensor tokens = Tensor.of(logits.device(), empty, experts(), 1);
    RowGroups groups = RowGroups.ofColumns(tokens, logits.size(0));
    return new Choice(
        logits, scores, tokens, Tensor.zeros(logits.device(), experts(), 1), groups, mask);
  }
}
