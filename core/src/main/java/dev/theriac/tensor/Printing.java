package dev.theriac.tensor;

import java.util.StringJoiner;

/** What {@code toString} shows of a tensor: type, shape and the first values. */
final class Printing {
  private static final int SHOWN = 8;

  private Printing() {}

  static String describe(Tensor t) {
    StringJoiner values = new StringJoiner(" ", " {", t.size() > SHOWN ? " ...}" : "}");
    long[] shape = t.shape();
    long[] index = new long[shape.length];
    for (long i = 0; i < Math.min(SHOWN, t.size()); i++) {
      long rest = i;
      for (int d = shape.length - 1; d >= 0; d--) {
        index[d] = rest % shape[d];
        rest /= shape[d];
      }
      values.add(Double.toString(t.get(index)));
    }
    return t.dtype() + t.layout().toString() + values;
  }
}
