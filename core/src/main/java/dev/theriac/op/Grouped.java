package dev.theriac.op;

import dev.theriac.backend.GroupedKernels.Rows;
import dev.theriac.backend.UnaryKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.lang.ref.Reference;

/** Grouped matrix products: the dense half of a mixture-of-experts layer. */
public final class Grouped {
  private Grouped() {}

  /**
   * Row r of group e becomes x[r] weight[e]^T + bias[e].
   *
   * @param x [R, K], rows of one group together
   * @param weight [E, N, K]
   * @param bias [E, N] or null
   * @param offsets I64 [E+1], ascending from 0 to R: group e holds rows offsets[e] to offsets[e+1]
   * @return [R, N]
   */
  public static Tensor linear(Tensor x, Tensor weight, Tensor bias, Tensor offsets) {
    Check.that(
        x.rank() == 2 && weight.rank() == 3 && x.size(1) == weight.size(2),
        "groupedLinear: input %s and weight %s do not fit; [R, K] and [E, N, K] are wanted",
        x.layout(),
        weight.layout());
    Check.shape("groupedLinear", "bias", bias, weight.size(0), weight.size(1));
    Check.dtype("groupedLinear", "offsets", offsets, DType.I64);
    Check.shape("groupedLinear", "offsets", offsets, weight.size(0) + 1);
    checkOffsets(offsets, x.size(0));
    Tensor in = Check.f32("groupedLinear", x).contiguous();
    Tensor w = Check.f32("groupedLinear", weight).contiguous();
    Tensor b = bias == null ? null : Check.f32("groupedLinear", bias).contiguous();
    Tensor offs = offsets.contiguous();
    Tensor out = Tensor.empty(in.device(), "groupedLinear", DType.F32, in.size(0), w.size(1));
    Check.backend("groupedLinear", in, w, b, offs)
        .grouped()
        .grouped(
            Rows.of(in.strided()),
            w.strided(),
            b == null ? null : b.strided(),
            offs.strided(),
            out.strided());
    return Elementwise.cast(
        Autograd.result(out.strided(), new GroupedOp.Linear(in, w, b, offs)), x.dtype());
  }

  /**
   * A mixture of feed-forwards: token t becomes the sum over its rows r, in ascending order, of
   * weights[rowSlot[r]] times the feed-forward of r's group on x[t]. Rows that several tokens share
   * do not exist; a token without rows becomes zero.
   *
   * @param x [T, d]
   * @param weights routing weights of any shape, read at {@code rowSlot}
   * @param groups which tokens go through which feed-forward
   * @param activation GELU, GELU_TANH, SILU or RELU
   * @return [T, d], of x's type
   */
  public static Tensor feedForward(
      Tensor x, Tensor weights, RowGroups groups, FeedForwardWeights w, UnaryKind activation) {
    Check.shape("feedForward", "x", x, groups.tokens(), w.dim());
    Check.that(
        groups.groups() == w.experts(),
        "feedForward: %d groups of rows for %d feed-forwards",
        groups.groups(),
        w.experts());
    Check.ids("feedForward: rowSlot", groups.rowSlot(), weights.size());
    Check.that(
        switch (activation) {
          case GELU, GELU_TANH, SILU, RELU -> true;
          default -> false;
        },
        "feedForward: activation %s; GELU, GELU_TANH, SILU and RELU are known",
        activation);
    for (Tensor t : w.all()) {
      Check.that(
          t.dtype().isFloating(),
          "feedForward: weight %s%s is not floating",
          t.dtype(),
          t.layout());
    }
    Tensor in = Check.f32("feedForward", x).contiguous();
    Tensor scale = Check.f32("feedForward", weights).contiguous();
    // Biases are small: widened here; matrices of half types are widened as they are packed.
    FeedForwardWeights ready =
        new FeedForwardWeights(
            w.gate().contiguous(),
            bias(w.gateBias()),
            w.up() == null ? null : w.up().contiguous(),
            bias(w.upBias()),
            w.down().contiguous(),
            bias(w.downBias()));
    Tensor y = new FeedForwardPass(in, scale, groups, ready, activation).forward();
    return Elementwise.cast(y, x.dtype());
  }

  /**
   * The last step of {@link #feedForward}, of rows that were computed elsewhere: token t becomes
   * the sum over its rows r, in ascending order, of weights[rowSlot[r]] times rows[r]. For
   * inference: passes no gradient on.
   *
   * @param rows [R, d], F32
   * @param weights routing weights of any shape, read at {@code rowSlot}
   * @return [T, d], F32; zero for a token without rows
   * @throws IllegalStateException where a gradient would have to pass
   */
  public static Tensor combine(Tensor rows, Tensor weights, RowGroups groups) {
    Check.that(rows.rank() == 2, "combine: rows %s; [R, d] is wanted", rows.layout());
    Check.shape("combine", "rows", rows, groups.rows(), rows.size(1));
    Check.dtype("combine", "rows", rows, DType.F32);
    Check.ids("combine: rowSlot", groups.rowSlot(), weights.size());
    if (Autograd.enabled() && (rows.requiresGrad() || weights.requiresGrad())) {
      throw new IllegalStateException(
          "combine: passes no gradient on; run it in Autograd.noGrad, or detach() the inputs");
    }
    Tensor in = rows.contiguous();
    Tensor scale = Check.f32("combine", weights).contiguous();
    Tensor y = Tensor.empty(in.device(), "combine", DType.F32, groups.tokens(), rows.size(1));
    Check.backend("combine", in, scale, groups.rowSlot(), groups.tokenStart(), groups.tokenRow())
        .experts()
        .combine(
            in.strided(),
            0,
            scale.strided(),
            groups.rowSlot().strided(),
            groups.tokenStart().strided(),
            groups.tokenRow().strided(),
            y.strided());
    Reference.reachabilityFence(in);
    Reference.reachabilityFence(scale);
    Reference.reachabilityFence(groups);
    return y;
  }

  private static Tensor bias(Tensor b) {
    return b == null ? null : Check.f32("feedForward", b).contiguous();
  }

  private static void checkOffsets(Tensor offsets, long rows) {
    long last = 0;
    long[] all = offsets.toLongs();
    for (int e = 0; e < all.length; e++) {
      long o = all[e];
      Check.that(
          o >= last && o <= rows && (e > 0 || o == 0),
          "groupedLinear: offset %d of group %d; offsets ascend from 0 to the %d rows",
          o,
          e,
          rows);
      last = o;
    }
    Check.that(
        last == rows, "groupedLinear: the last offset is %d, the input has %d rows", last, rows);
  }
}
