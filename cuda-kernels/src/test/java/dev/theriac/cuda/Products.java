package dev.theriac.cuda;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/** How far a dense product is from the scalar back end's. */
final class Products {
  private static final Backend ORACLE = Backends.scalar();

  private Products() {}

  /**
   * The largest difference of an element, relative to the sum of its products' magnitudes; infinite
   * where one is not a number.
   *
   * @param before what the product is added to; null to overwrite NaN
   */
  static double apart(
      Backend there, Matrices make, Strided a, Strided b, Strided bias, Strided before) {
    long[] shape = a.layout().shape();
    shape[shape.length - 1] = b.size(-1);
    Strided found = before == null ? make.unwritten(shape) : make.copy(before);
    Strided wanted = make.copy(found);
    Strided sizes = before == null ? make.unwritten(shape) : magnitudes(make, before);
    boolean accumulate = before != null;
    there.matmul().matmul(a, b, bias, found, accumulate);
    ORACLE.matmul().matmul(a, b, bias, wanted, accumulate);
    Strided sizeOfBias = bias == null ? null : magnitudes(make, bias);
    ORACLE.matmul().matmul(magnitudes(make, a), magnitudes(make, b), sizeOfBias, sizes, accumulate);
    double worst = 0;
    for (long i = 0; i < found.size(); i++) {
      double have = Host.getFloat(found.address() + 4 * i);
      double want = Host.getFloat(wanted.address() + 4 * i);
      double size = Host.getFloat(sizes.address() + 4 * i);
      if (have == want) continue;
      double apart = Math.abs(have - want) / size;
      worst = apart >= worst ? apart : Double.isNaN(apart) ? Double.POSITIVE_INFINITY : worst;
    }
    return worst;
  }

  /** |x|, contiguous. */
  private static Strided magnitudes(Matrices make, Strided x) {
    long[] shape = x.layout().shape();
    Strided result = make.make(DType.F32, shape);
    long[] index = new long[shape.length];
    for (long i = 0; i < result.size(); i++) {
      long rest = i;
      for (int d = shape.length - 1; d >= 0; d--) {
        index[d] = rest % shape[d];
        rest /= shape[d];
      }
      Host.setFloat(result.address() + 4 * i, (float) Math.abs(Matrices.at(x, index)));
    }
    return result;
  }
}
