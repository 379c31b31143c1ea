package dev.theriac.op;

import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.CompareKind;
import dev.theriac.backend.ElementwiseKernels;
import dev.theriac.backend.UnaryKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.lang.ref.Reference;

/** Elementwise functions, with NumPy's broadcasting. Half types are computed in F32. */
public final class Elementwise {
  private Elementwise() {}

  /** f(x), of x's shape and type. */
  public static Tensor unary(UnaryKind kind, Tensor x) {
    String name = Check.name(kind);
    Tensor in = Check.f32(name, x);
    Tensor out = Tensor.empty(in.device(), name, DType.F32, x.shape());
    kernels(name, in).unary(kind, in.strided(), out.strided());
    return cast(Autograd.result(out.strided(), new ElementwiseOp.Unary(kind, in)), x.dtype());
  }

  /** f(a, b), of the broadcast shape and the promoted type. */
  public static Tensor binary(BinaryKind kind, Tensor a, Tensor b) {
    String name = Check.name(kind);
    Tensor x = Check.f32(name, a);
    Tensor y = Check.f32(name, b);
    long[] shape = Layout.broadcastShape(name, x.layout(), y.layout());
    Tensor out = Tensor.empty(a.device(), name, DType.F32, shape);
    kernels(name, x, y).binary(kind, broadcast(x, shape), broadcast(y, shape), out.strided());
    return cast(
        Autograd.result(out.strided(), new ElementwiseOp.Binary(kind, x, y)),
        DType.promote(a.dtype(), b.dtype()));
  }

  /** silu(gate) * up. */
  public static Tensor swiglu(Tensor gate, Tensor up) {
    return binary(BinaryKind.SWIGLU, gate, up);
  }

  /** x * mul + add. */
  public static Tensor affine(Tensor x, double mul, double add) {
    Tensor in = Check.f32("affine", x);
    Tensor out = Tensor.empty(in.device(), "affine", DType.F32, x.shape());
    kernels("affine", in).affine(in.strided(), (float) mul, (float) add, out.strided());
    return cast(Autograd.result(out.strided(), new ElementwiseOp.Affine(in, mul)), x.dtype());
  }

  /** BOOL tensor of the broadcast shape; a and b have one type, any. No gradient. */
  public static Tensor compare(CompareKind kind, Tensor a, Tensor b) {
    String name = Check.name(kind);
    Check.dtype(name, "the second tensor", b, a.dtype());
    long[] shape = Layout.broadcastShape(name, a.layout(), b.layout());
    Tensor out = Tensor.empty(a.device(), name, DType.BOOL, shape);
    kernels(name, a, b).compare(kind, broadcast(a, shape), broadcast(b, shape), out.strided());
    Reference.reachabilityFence(a);
    Reference.reachabilityFence(b);
    return out;
  }

  /** condition ? a : b; condition is BOOL. */
  public static Tensor where(Tensor condition, Tensor a, Tensor b) {
    Check.dtype("where", "condition", condition, DType.BOOL);
    Tensor x = Check.f32("where", a);
    Tensor y = Check.f32("where", b);
    long[] shape =
        Layout.broadcastShape(
            "where",
            condition.layout(),
            Layout.contiguous(Layout.broadcastShape("where", x.layout(), y.layout())));
    Tensor out = Tensor.empty(x.device(), "where", DType.F32, shape);
    kernels("where", condition, x, y)
        .where(
            broadcast(condition, shape), broadcast(x, shape), broadcast(y, shape), out.strided());
    return cast(
        Autograd.result(out.strided(), new ElementwiseOp.Where(condition, x, y)),
        DType.promote(a.dtype(), b.dtype()));
  }

  /** Converts to another type; floating to floating passes the gradient. */
  public static Tensor cast(Tensor x, DType dtype) {
    if (x.dtype() == dtype) return x;
    Tensor out = Tensor.empty(x.device(), "cast", dtype, x.shape());
    kernels("cast", x).copy(x.strided(), out.strided());
    Reference.reachabilityFence(x);
    if (!dtype.isFloating()) return out;
    return Autograd.result(out.strided(), new ElementwiseOp.Cast(x));
  }

  /**
   * Inverted dropout: each element is zeroed with probability p, the others are divided by 1 - p.
   * The mask is a function of the generator's state alone and is recomputed in the backward pass.
   */
  public static Tensor dropout(Tensor x, double p, Rng rng) {
    Check.that(p >= 0 && p < 1, "dropout: probability %s is not in [0, 1)", p);
    if (p == 0) return x;
    Tensor in = Check.f32("dropout", x).contiguous();
    long offset = rng.reserve(in.size());
    var op = new ElementwiseOp.Dropout(in, (float) p, rng.seed(), rng.stream(), offset);
    Tensor out = Tensor.empty(in.device(), "dropout", DType.F32, x.shape());
    kernels("dropout", in)
        .dropout(in.strided(), op.p(), op.seed(), op.stream(), offset, out.strided());
    return cast(Autograd.result(out.strided(), op), x.dtype());
  }

  static ElementwiseKernels kernels(String name, Tensor... tensors) {
    return Check.backend(name, tensors).elementwise();
  }

  private static Strided broadcast(Tensor t, long[] shape) {
    return t.layout().hasShape(shape) ? t.strided() : t.strided().with(t.layout().expand(shape));
  }
}
