package dev.theriac.tensor;

import java.util.Arrays;

/**
 * Shape, strides and offset (all in elements, all 64 bit) of a view on a {@link Storage}.
 * Immutable. A dimension that was broadcast has stride 0.
 */
public final class Layout {
  private final long[] shape;
  private final long[] strides;
  private final long offset;
  private final long size;

  private Layout(long[] shape, long[] strides, long offset) {
    this.shape = shape;
    this.strides = strides;
    this.offset = offset;
    this.size = product(shape);
  }

  /** Row-major layout of {@code shape} at offset 0. */
  public static Layout contiguous(long... shape) {
    return new Layout(shape.clone(), rowMajor(shape), 0);
  }

  /** A layout with explicit strides and offset, in elements. */
  public static Layout strided(long[] shape, long[] strides, long offset) {
    if (shape.length != strides.length || offset < 0) {
      throw new IllegalArgumentException(
          "layout: shape %s, strides %s, offset %d do not fit together"
              .formatted(Arrays.toString(shape), Arrays.toString(strides), offset));
    }
    return new Layout(shape.clone(), strides.clone(), offset);
  }

  private static long[] rowMajor(long[] shape) {
    long[] strides = new long[shape.length];
    long step = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      strides[i] = step;
      step *= Math.max(shape[i], 1); // the constructor refuses what would overflow
    }
    return strides;
  }

  private static long product(long[] shape) {
    long n = 1;
    for (long s : shape) {
      if (s < 0) {
        throw new IllegalArgumentException("negative size in shape " + Arrays.toString(shape));
      }
      if (Math.multiplyHigh(n, s) != 0 || n * s < 0) {
        throw new IllegalArgumentException(
            "shape %s has more elements than 64 bits can count".formatted(Arrays.toString(shape)));
      }
      n *= s;
    }
    return n;
  }

  public int rank() {
    return shape.length;
  }

  public long[] shape() {
    return shape.clone();
  }

  public long[] strides() {
    return strides.clone();
  }

  /** Size of a dimension; negative {@code dim} counts from the end. */
  public long size(int dim) {
    return shape[axis(dim)];
  }

  /** Stride of a dimension in elements; negative {@code dim} counts from the end. */
  public long stride(int dim) {
    return strides[axis(dim)];
  }

  public long offset() {
    return offset;
  }

  /** Number of elements. */
  public long size() {
    return size;
  }

  /** {@code dim} as a non-negative axis. */
  public int axis(int dim) {
    int axis = dim < 0 ? dim + shape.length : dim;
    if (axis < 0 || axis >= shape.length) {
      throw new IndexOutOfBoundsException(
          "dimension %d of shape %s (rank %d)".formatted(dim, this, shape.length));
    }
    return axis;
  }

  /** True when the elements lie in row-major order without gaps. */
  public boolean isContiguous() {
    long step = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      if (shape[i] != 1 && strides[i] != step) return size == 0;
      step *= shape[i];
    }
    return true;
  }

  public boolean sameShape(Layout other) {
    return Arrays.equals(shape, other.shape);
  }

  public boolean hasShape(long... other) {
    return Arrays.equals(shape, other);
  }

  public Layout permute(int... dims) {
    long[] s = new long[dims.length];
    long[] t = new long[dims.length];
    boolean[] seen = new boolean[rank()];
    if (dims.length != rank()) {
      throw new IllegalArgumentException(
          "permute: %s does not name the %d dimensions of %s once each"
              .formatted(Arrays.toString(dims), rank(), this));
    }
    for (int i = 0; i < dims.length; i++) {
      int axis = axis(dims[i]);
      if (seen[axis]) {
        throw new IllegalArgumentException(
            "permute: %s names a dimension of %s twice".formatted(Arrays.toString(dims), this));
      }
      seen[axis] = true;
      s[i] = shape[axis];
      t[i] = strides[axis];
    }
    return new Layout(s, t, offset);
  }

  /** The sub-range [from, to) of one dimension. */
  public Layout slice(int dim, long from, long to) {
    int axis = axis(dim);
    if (from < 0 || to < from || to > shape[axis]) {
      throw new IndexOutOfBoundsException(
          "slice [%d, %d) of dimension %d of shape %s".formatted(from, to, dim, this));
    }
    long[] s = shape.clone();
    s[axis] = to - from;
    return new Layout(s, strides.clone(), offset + (to == from ? 0 : from * strides[axis]));
  }

  /** Broadcasts to {@code target} by NumPy's rules. */
  public Layout expand(long... target) {
    int lead = target.length - rank();
    if (lead < 0) throw notBroadcastable(target);
    long[] t = new long[target.length];
    for (int i = 0; i < rank(); i++) {
      if (shape[i] == target[lead + i]) {
        t[lead + i] = strides[i];
      } else if (shape[i] != 1) {
        throw notBroadcastable(target);
      }
    }
    return new Layout(target.clone(), t, offset);
  }

  private IllegalArgumentException notBroadcastable(long[] target) {
    return new IllegalArgumentException(
        "shape %s does not broadcast to %s".formatted(this, Arrays.toString(target)));
  }

  /** A view with another shape, or null when the strides need a copy first. */
  public Layout reshape(long... target) {
    if (product(target) != size) {
      throw new IllegalArgumentException(
          "reshape: shape %s has %d elements, %s has %d"
              .formatted(this, size, Arrays.toString(target), product(target)));
    }
    if (isContiguous()) return new Layout(target.clone(), rowMajor(target), offset);
    // Match runs of old dimensions (sizes of 1 left out) with runs of new ones of equal product;
    // inside a run the old strides must be those of one evenly strided dimension.
    int n = 0;
    long[] old = new long[rank()];
    long[] step = new long[rank()];
    for (int i = 0; i < rank(); i++) {
      if (shape[i] == 1) continue;
      old[n] = shape[i];
      step[n++] = strides[i];
    }
    long[] t = new long[target.length];
    Arrays.fill(t, 1);
    int from = 0;
    int first = 0;
    while (from < n) {
      int to = from + 1;
      int last = first + 1;
      long have = old[from];
      long want = target[first];
      while (have != want) {
        if (want < have) want *= target[last++];
        else have *= old[to++];
      }
      for (int i = from; i < to - 1; i++) if (step[i] != old[i + 1] * step[i + 1]) return null;
      t[last - 1] = step[to - 1];
      for (int i = last - 1; i > first; i--) t[i - 1] = t[i] * target[i];
      from = to;
      first = last;
    }
    return new Layout(target.clone(), t, offset);
  }

  /** Shape that {@code a} and {@code b} broadcast to by NumPy's rules. */
  public static long[] broadcastShape(String operation, Layout a, Layout b) {
    int rank = Math.max(a.rank(), b.rank());
    long[] out = new long[rank];
    for (int i = 1; i <= rank; i++) {
      long x = i <= a.rank() ? a.shape[a.rank() - i] : 1;
      long y = i <= b.rank() ? b.shape[b.rank() - i] : 1;
      if (x != y && x != 1 && y != 1) {
        throw new IllegalArgumentException(
            "%s: shapes %s and %s do not broadcast (dimension -%d: %d against %d)"
                .formatted(operation, a, b, i, x, y));
      }
      out[rank - i] = x == 1 ? y : x;
    }
    return out;
  }

  /** Storage elements spanned from {@link #offset()}: one past the highest element. */
  public long span() {
    if (size == 0) return 0;
    long last = 0;
    for (int i = 0; i < shape.length; i++) last += (shape[i] - 1) * strides[i];
    return last + 1;
  }

  @Override
  public String toString() {
    return Arrays.toString(shape);
  }
}
