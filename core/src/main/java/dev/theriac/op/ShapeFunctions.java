package dev.theriac.op;

import dev.theriac.tensor.Device;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** Views (free), copies and concatenation, for every element type. */
public final class ShapeFunctions {
  private ShapeFunctions() {}

  /** Another shape; at most one size is -1 and is worked out. */
  public static Tensor reshape(Tensor x, long... shape) {
    long[] wanted = infer(x, shape);
    Layout layout = x.layout().reshape(wanted);
    if (layout == null) return reshape(copy(x), wanted);
    return Autograd.result(x.strided().with(layout), new ShapeOp.Reshape(x));
  }

  private static long[] infer(Tensor x, long[] shape) {
    int hole = -1;
    long known = 1;
    for (int i = 0; i < shape.length; i++) {
      if (shape[i] == -1 && hole < 0) hole = i;
      else known *= shape[i];
    }
    if (hole < 0) return shape;
    Check.that(
        known > 0 && x.size() % known == 0,
        "reshape: shape %s cannot become %s",
        x.layout(),
        Arrays.toString(shape));
    long[] full = shape.clone();
    full[hole] = x.size() / known;
    return full;
  }

  public static Tensor permute(Tensor x, int... dims) {
    Layout layout = x.layout().permute(dims);
    List<Integer> axes = IntStream.of(dims).map(x.layout()::axis).boxed().toList();
    return Autograd.result(x.strided().with(layout), new ShapeOp.Permute(x, axes));
  }

  public static Tensor transpose(Tensor x, int a, int b) {
    int[] dims = IntStream.range(0, x.rank()).toArray();
    int i = x.layout().axis(a);
    int j = x.layout().axis(b);
    dims[i] = j;
    dims[j] = i;
    return permute(x, dims);
  }

  public static Tensor slice(Tensor x, int dim, long from, long to) {
    Layout layout = x.layout().slice(dim, from, to);
    int axis = x.layout().axis(dim);
    return Autograd.result(x.strided().with(layout), new ShapeOp.Slice(x, axis, from, to));
  }

  public static Tensor select(Tensor x, int dim, long index) {
    return squeeze(slice(x, dim, index, index + 1), dim);
  }

  public static Tensor expand(Tensor x, long... shape) {
    if (x.layout().hasShape(shape)) return x;
    return Autograd.result(x.strided().with(x.layout().expand(shape)), new ShapeOp.Expand(x));
  }

  public static Tensor squeeze(Tensor x, int dim) {
    int axis = x.layout().axis(dim);
    Check.that(x.size(axis) == 1, "squeeze: dimension %d of shape %s is not 1", dim, x.layout());
    long[] s = x.shape();
    long[] t = x.layout().strides();
    Layout layout = Layout.strided(without(s, axis), without(t, axis), x.layout().offset());
    return Autograd.result(x.strided().with(layout), new ShapeOp.Reshape(x));
  }

  private static long[] without(long[] a, int axis) {
    return IntStream.range(0, a.length).filter(i -> i != axis).mapToLong(i -> a[i]).toArray();
  }

  public static Tensor unsqueeze(Tensor x, int dim) {
    int axis = dim < 0 ? dim + x.rank() + 1 : dim;
    Check.that(
        axis >= 0 && axis <= x.rank(), "unsqueeze: dimension %d of shape %s", dim, x.layout());
    long[] s = new long[x.rank() + 1];
    long[] t = new long[s.length];
    for (int i = 0; i < s.length; i++) {
      s[i] = i == axis ? 1 : x.size(i < axis ? i : i - 1);
      t[i] = i == axis ? 1 : x.layout().stride(i < axis ? i : i - 1);
    }
    Layout layout = Layout.strided(s, t, x.layout().offset());
    return Autograd.result(x.strided().with(layout), new ShapeOp.Reshape(x));
  }

  public static Tensor contiguous(Tensor x) {
    return x.layout().isContiguous() ? x : copy(x);
  }

  /** A copy in row-major order, even of a tensor that is. */
  public static Tensor copy(Tensor x) {
    Tensor out = Tensor.empty(x.device(), "copy", x.dtype(), x.shape());
    Elementwise.kernels("copy", x).copy(x.strided(), out.strided());
    return Autograd.result(out.strided(), new ShapeOp.Copy(x));
  }

  /** A contiguous copy on another device, or x itself when it is there. */
  public static Tensor move(Tensor x, Device device) {
    if (x.device().equals(device)) return x;
    Tensor from = Autograd.noGrad(() -> contiguous(x));
    Tensor out = from.copyTo(device);
    if (from != x) from.close();
    return Autograd.result(out.strided(), new ShapeOp.Move(x));
  }

  /** Joins tensors of one type along a dimension; the other sizes are equal. */
  public static Tensor concat(int dim, List<Tensor> parts) {
    Check.that(!parts.isEmpty(), "concat: no tensors");
    Tensor first = parts.getFirst();
    int axis = first.layout().axis(dim);
    long[] shape = first.shape();
    shape[axis] = 0;
    for (Tensor p : parts) {
      Check.dtype("concat", "every part", p, first.dtype());
      long[] other = p.shape();
      boolean fits = other.length == shape.length;
      for (int i = 0; fits && i < shape.length; i++) fits = i == axis || other[i] == shape[i];
      Check.that(
          fits,
          "concat along dimension %d: shapes %s and %s differ elsewhere",
          axis,
          first.layout(),
          p.layout());
      shape[axis] += other[axis];
    }
    Tensor out = Tensor.empty(first.device(), "concat", first.dtype(), shape);
    long at = 0;
    for (Tensor p : parts) {
      Layout part = out.layout().slice(axis, at, at + p.size(axis));
      Elementwise.kernels("concat", first, p).copy(p.strided(), out.strided().with(part));
      at += p.size(axis);
    }
    return Autograd.result(out.strided(), new ShapeOp.Concat(List.copyOf(parts), axis));
  }
}
