package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Tensor;

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
    Tensor out = Tensor.empty("groupedLinear", DType.F32, in.size(0), w.size(1));
    Check.backend("groupedLinear", in, w, b, offs)
        .grouped()
        .grouped(
            in.strided(),
            w.strided(),
            b == null ? null : b.strided(),
            offs.strided(),
            out.strided());
    return Elementwise.cast(
        Autograd.result(out.strided(), new GroupedOp.Linear(in, w, b, offs)), x.dtype());
  }

  private static void checkOffsets(Tensor offsets, long rows) {
    Tensor offs = offsets.contiguous();
    long at = offs.strided().address();
    long last = 0;
    for (long e = 0; e < offs.size(); e++) {
      long o = Host.getLong(at + 8 * e);
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
