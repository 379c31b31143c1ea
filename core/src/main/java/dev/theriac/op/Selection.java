package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.DeviceStorage;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Tensor;
import java.lang.ref.Reference;
import java.util.stream.LongStream;

/** Choice of k columns of each row in a total order, and softmax over what was chosen. */
public final class Selection {
  private Selection() {}

  /**
   * Limits a choice to the best groups of columns (DeepSeek-AI 2024, DeepSeek-V2, section 2.2.2).
   *
   * @param groups equal runs that the columns are cut into; 1 for no limit
   * @param kept groups that take part
   * @param best a group ranks by the sum of this many of its highest scores: 1 in DeepSeek-V2, 2 in
   *     DeepSeek-V3
   */
  public record Groups(int groups, int kept, int best) {
    public static final Groups NONE = new Groups(1, 1, 1);

    public Groups {
      Check.that(
          groups >= 1 && kept >= 1 && kept <= groups && best >= 1,
          "selection: %d of %d groups by their %d best scores; 1 to all groups and at least 1 score"
              + " are wanted",
          kept,
          groups,
          best);
    }

    /**
     * @throws IllegalArgumentException when columns cannot be cut so, or too few remain for k
     */
    public void check(long columns, int k) {
      Check.that(
          columns % groups == 0,
          "selection: %d columns cannot be cut into %d equal groups",
          columns,
          groups);
      Check.that(
          k >= 1 && k <= columns / groups * kept,
          "selection: k = %d is not in [1, %d] (%d of %d groups of %d)",
          k,
          columns / groups * kept,
          kept,
          groups,
          columns / groups);
    }
  }

  /**
   * The k best columns of each row, best first: higher score first, NaN last, equal scores by the
   * lower column. The same on every back end for the same scores.
   *
   * @param scores F32 [N, C]; no gradient flows
   * @return I64 [N, k], distinct in a row, in [0, C) whatever the scores are
   */
  public static Tensor topK(Tensor scores, int k, Groups groups) {
    Tensor in = matrix("selection", scores);
    groups.check(in.size(1), k);
    Tensor ids = Tensor.empty(in.device(), "selection", DType.I64, in.size(0), k);
    Check.backend("selection", in)
        .selection()
        .select(in.strided(), k, groups.groups, groups.kept, groups.best, ids.strided());
    Reference.reachabilityFence(in);
    if (ids.storage() instanceof DeviceStorage there) there.knowIds(in.size(1), k);
    return ids;
  }

  /** The rows of F32 [N, C] that hold a NaN or have no highest element that is finite. */
  public static long[] unusableRows(Tensor scores) {
    Tensor in = matrix("selection", scores);
    Tensor flags = Tensor.empty(in.device(), "selection", DType.BOOL, in.size(0));
    Check.backend("selection", in).selection().unusable(in.strided(), flags.strided());
    Reference.reachabilityFence(in);
    LongStream.Builder found = LongStream.builder();
    Check.onHost(
        flags,
        at -> {
          for (long n = 0; n < flags.size(); n++) if (Host.getByte(at + n) != 0) found.add(n);
        });
    flags.close();
    return found.build().toArray();
  }

  /**
   * Softmax over the chosen logits alone: what dividing the chosen ones' probabilities by their sum
   * gives, without that sum. The gradient at columns that were not chosen is exactly zero.
   *
   * @param logits [N, C], F32
   * @param ids I64 [N, k], distinct in a row
   * @param sigmoid sigmoids divided by their sum instead
   * @return F32 [N, k]; zeros where all chosen logits are -infinity
   */
  public static Tensor softmax(Tensor logits, Tensor ids, boolean sigmoid) {
    Tensor in = matrix("selectedSoftmax", logits);
    Check.dtype("selectedSoftmax", "ids", ids, DType.I64);
    Check.that(
        ids.rank() == 2 && ids.size(0) == in.size(0),
        "selectedSoftmax: logits [N, C] and ids [N, k] wanted, got %s and %s",
        logits.layout(),
        ids.layout());
    Tensor at = ids.contiguous();
    Check.ids("selectedSoftmax", at, in.size(1));
    Tensor out = Tensor.empty(in.device(), "selectedSoftmax", DType.F32, at.shape());
    Check.backend("selectedSoftmax", in, at)
        .selection()
        .selectedSoftmax(in.strided(), at.strided(), sigmoid, out.strided());
    return Autograd.result(out.strided(), new SelectionOp.SelectedSoftmax(in, at, sigmoid));
  }

  private static Tensor matrix(String op, Tensor x) {
    Check.dtype(op, "scores", x, DType.F32);
    Check.that(x.rank() == 2, "%s: scores must be [N, C], got %s", op, x.layout());
    return x.contiguous();
  }
}
