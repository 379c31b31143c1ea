package dev.theriac.op;

import dev.theriac.backend.IndexKernels;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.DeviceStorage;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;

/** Gather, scatter-add and top-k. Ids are I64 and checked against their range. */
public final class Index {
  private Index() {}

  /**
   * Rows of a table: {@code table} [V, D], ids of any shape [...], result [..., D] of the table's
   * type. The gradient adds up rows taken more than once, in ascending order of position.
   */
  public static Tensor gatherRows(Tensor table, Tensor ids) {
    Check.that(table.rank() == 2, "gatherRows: table must be [V, D], got %s", table.layout());
    Tensor t = table.contiguous();
    Tensor flat = flatIds("gatherRows", ids, t.size(0));
    Tensor out = Tensor.empty(t.device(), "gatherRows", t.dtype(), flat.size(0), t.size(1));
    kernels("gatherRows", t, flat).gatherRows(t.strided(), flat.strided(), out.strided());
    Tensor rows = Autograd.result(out.strided(), new IndexOp.GatherRows(t, flat));
    if (ids.rank() == 1) return rows;
    long[] shape = Arrays.copyOf(ids.shape(), ids.rank() + 1);
    shape[ids.rank()] = t.size(1);
    return rows.reshape(shape);
  }

  /** Sums rows of {@code x} [N, D] into the rows ids [N] of a zero tensor [rows, D]. */
  public static Tensor scatterRows(Tensor x, Tensor ids, long rows) {
    Check.that(x.rank() == 2, "scatterRows: x must be [N, D], got %s", x.layout());
    Tensor in = Check.f32("scatterRows", x).contiguous();
    Tensor flat = flatIds("scatterRows", ids, rows);
    Check.shape("scatterRows", "ids", flat, in.size(0));
    Tensor out = Tensor.zeros(in.device(), rows, in.size(1));
    kernels("scatterRows", in, flat).scatterRows(in.strided(), flat.strided(), out.strided());
    return Elementwise.cast(
        Autograd.result(out.strided(), new IndexOp.ScatterRows(in, flat)), x.dtype());
  }

  /** out[n, j] = x[n, ids[n, j]]; x [N, C], ids [N, K]. */
  public static Tensor gatherColumns(Tensor x, Tensor ids) {
    Check.that(
        x.rank() == 2 && ids.rank() == 2 && x.size(0) == ids.size(0),
        "gatherColumns: x [N, C] and ids [N, K] wanted, got %s and %s",
        x.layout(),
        ids.layout());
    Tensor in = Check.f32("gatherColumns", x).contiguous();
    flatIds("gatherColumns", ids, in.size(1));
    Tensor columns = ids.contiguous();
    Tensor out = Tensor.empty(in.device(), "gatherColumns", DType.F32, ids.shape());
    kernels("gatherColumns", in, columns)
        .gatherColumns(in.strided(), columns.strided(), out.strided());
    return Elementwise.cast(
        Autograd.result(out.strided(), new IndexOp.GatherColumns(in, columns)), x.dtype());
  }

  /** out[n, ids[n, j]] += x[n, j] into zeros [N, columns]; x and ids [N, K]. */
  public static Tensor scatterColumns(Tensor x, Tensor ids, long columns) {
    Check.that(
        x.rank() == 2 && x.layout().sameShape(ids.layout()),
        "scatterColumns: x and ids [N, K] wanted, got %s and %s",
        x.layout(),
        ids.layout());
    Tensor in = Check.f32("scatterColumns", x).contiguous();
    flatIds("scatterColumns", ids, columns);
    Tensor at = ids.contiguous();
    Tensor out = Tensor.zeros(in.device(), x.size(0), columns);
    kernels("scatterColumns", in, at).scatterColumns(in.strided(), at.strided(), out.strided());
    return Elementwise.cast(
        Autograd.result(out.strided(), new IndexOp.ScatterColumns(in, at)), x.dtype());
  }

  /**
   * The k largest of each row.
   *
   * @param values [N, k], descending, carries the gradient
   * @param indices I64 [N, k]
   */
  public record TopK(Tensor values, Tensor indices) {}

  /**
   * The k largest of each row of x [N, C] in a total order: NaN last, equal values by the lower
   * index.
   */
  public static TopK topK(Tensor x, int k) {
    Check.that(x.rank() == 2, "topK: x must be [N, C], got %s", x.layout());
    Check.that(k >= 1 && k <= x.size(1), "topK: k = %d is not in [1, %d]", k, x.size(1));
    Tensor in = Check.f32("topK", x).contiguous();
    Tensor values = Tensor.empty(in.device(), "topK", DType.F32, in.size(0), k);
    Tensor indices = Tensor.empty(in.device(), "topK", DType.I64, in.size(0), k);
    kernels("topK", in).topK(in.strided(), k, values.strided(), indices.strided());
    if (indices.storage() instanceof DeviceStorage there) there.knowIds(in.size(1), k);
    Tensor out = Autograd.result(values.strided(), new IndexOp.TopK(in, indices));
    return new TopK(Elementwise.cast(out, x.dtype()), indices);
  }

  private static Tensor flatIds(String op, Tensor ids, long bound) {
    Check.dtype(op, "ids", ids, DType.I64);
    Tensor flat = ids.reshape(ids.size()).contiguous();
    Check.ids(op, flat, bound);
    return flat;
  }

  private static IndexKernels kernels(String name, Tensor... tensors) {
    return Check.backend(name, tensors).index();
  }
}
