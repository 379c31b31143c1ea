package dev.theriac.op;

import dev.theriac.backend.UnaryKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;

/** Matrix products. Transposed operands are views and cost nothing. */
public final class Matmul {
  private Matmul() {}

  /** a [..., M, K] times b [..., K, N]; leading dimensions broadcast; result [..., M, N]. */
  public static Tensor matmul(Tensor a, Tensor b) {
    Check.that(
        a.rank() >= 2 && b.rank() >= 2 && a.size(-1) == b.size(-2),
        "matmul: shapes %s and %s do not fit; [..., M, K] and [..., K, N] are wanted",
        a.layout(),
        b.layout());
    Tensor x = Check.f32("matmul", a);
    Tensor y = Check.f32("matmul", b);
    Tensor out = product(x, y);
    return Elementwise.cast(
        Autograd.result(out.strided(), new MatmulOp.Product(x, y)),
        DType.promote(a.dtype(), b.dtype()));
  }

  private static Tensor product(Tensor a, Tensor b) {
    long[] batchA = Arrays.copyOf(a.shape(), a.rank() - 2);
    long[] batchB = Arrays.copyOf(b.shape(), b.rank() - 2);
    long[] batch =
        Layout.broadcastShape("matmul", Layout.contiguous(batchA), Layout.contiguous(batchB));
    Tensor out = Tensor.empty(a.device(), "matmul", DType.F32, join(batch, a.size(-2), b.size(-1)));
    Strided x = a.strided().with(a.layout().expand(join(batch, a.size(-2), a.size(-1))));
    Strided y = b.strided().with(b.layout().expand(join(batch, b.size(-2), b.size(-1))));
    Check.backend("matmul", a, b).matmul().matmul(x, y, null, out.strided(), false);
    return out;
  }

  /**
   * x W^T + bias, the layer of every network.
   *
   * @param x [..., K]
   * @param weight [N, K], F32 or a half type (widened as it is read)
   * @param bias [N] or null
   * @return [..., N], of x's type
   */
  public static Tensor linear(Tensor x, Tensor weight, Tensor bias) {
    Check.that(
        x.rank() >= 1 && weight.rank() == 2 && x.size(-1) == weight.size(1),
        "linear: input %s and weight %s do not fit; [..., K] and [N, K] are wanted",
        x.layout(),
        weight.layout());
    Check.shape("linear", "bias", bias, weight.size(0));
    Check.that(weight.dtype().isFloating(), "linear: weight is %s, not floating", weight.dtype());
    Tensor flat = Check.f32("linear", x).reshape(rows(x), x.size(-1));
    Tensor shift = bias == null ? null : Check.f32("linear", bias).contiguous();
    Tensor out = Tensor.empty(flat.device(), "linear", DType.F32, flat.size(0), weight.size(0));
    Check.backend("linear", flat, weight, shift)
        .matmul()
        .matmul(
            flat.strided(),
            weight.strided().with(weight.layout().permute(1, 0)),
            shift == null ? null : shift.strided(),
            out.strided(),
            false);
    Tensor y = Autograd.result(out.strided(), new MatmulOp.Linear(flat, weight, shift));
    long[] shape = x.shape();
    shape[shape.length - 1] = weight.size(0);
    return Elementwise.cast(x.rank() == 2 ? y : y.reshape(shape), x.dtype());
  }

  /**
   * The feed-forward of a block as one operation: down (act(gate x + gateBias) * (up x + upBias)) +
   * downBias, or without {@code up} (where gate is also called fc1 and down fc2) down act(gate x +
   * gateBias) + downBias. The forward pass has the bits of the layers one after the other. So have
   * not all gradients: beside {@code up} the gradient of x is one chain over gate and up, where the
   * layers add two. Matrices in F32 or a half type (widened as they are read).
   *
   * @param x [..., d]
   * @param gate [n, d]
   * @param gateBias [n] or null
   * @param up [n, d], or null for the plain form
   * @param upBias [n] or null; only beside {@code up}
   * @param down [m, n]
   * @param downBias [m] or null
   * @param activation GELU, GELU_TANH, QUICK_GELU, SILU or RELU; beside {@code up} only SILU
   * @return [..., m], of x's type
   */
  public static Tensor feedForward(
      Tensor x,
      Tensor gate,
      Tensor gateBias,
      Tensor up,
      Tensor upBias,
      Tensor down,
      Tensor downBias,
      UnaryKind activation) {
    String op = "feedForward";
    Check.that(
        x.rank() >= 1
            && gate.rank() == 2
            && down.rank() == 2
            && x.size(-1) == gate.size(1)
            && down.size(1) == gate.size(0),
        "%s: input %s, gate %s and down %s do not fit; [..., d], [n, d] and [m, n] are wanted",
        op,
        x.layout(),
        gate.layout(),
        down.layout());
    Check.shape(op, "gateBias", gateBias, gate.size(0));
    Check.shape(op, "up", up, gate.size(0), gate.size(1));
    Check.shape(op, "upBias", upBias, gate.size(0));
    Check.shape(op, "downBias", downBias, down.size(0));
    Check.that(up != null || upBias == null, "%s: upBias without up", op);
    Check.that(
        switch (activation) {
          case SILU -> true;
          case GELU, GELU_TANH, QUICK_GELU, RELU -> up == null;
          default -> false;
        },
        "%s: activation %s %s up; SILU, and without up GELU, GELU_TANH, QUICK_GELU and RELU are"
            + " known",
        op,
        activation,
        up == null ? "without" : "with");
    for (Tensor w : new Tensor[] {gate, up, down}) {
      Check.that(
          w == null || w.dtype().isFloating(),
          "%s: a matrix is %s, not floating",
          op,
          w == null ? "" : w.dtype());
    }
    DensePass pass =
        new DensePass(
            Check.f32(op, x).reshape(rows(x), x.size(-1)).contiguous(),
            gate.contiguous(),
            row(gateBias),
            up == null ? null : up.contiguous(),
            row(upBias),
            down.contiguous(),
            row(downBias),
            activation);
    Tensor y = pass.forward();
    long[] shape = x.shape();
    shape[shape.length - 1] = down.size(0);
    return Elementwise.cast(x.rank() == 2 ? y : y.reshape(shape), x.dtype());
  }

  private static Tensor row(Tensor bias) {
    return bias == null ? null : Check.f32("feedForward", bias).contiguous();
  }

  private static long rows(Tensor x) {
    long n = 1;
    for (int i = 0; i < x.rank() - 1; i++) n *= x.size(i);
    return n;
  }

  private static long[] join(long[] batch, long m, long n) {
    long[] shape = Arrays.copyOf(batch, batch.length + 2);
    shape[batch.length] = m;
    shape[batch.length + 1] = n;
    return shape;
  }
}
