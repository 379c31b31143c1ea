package dev.theriac.backend.vector;

import dev.theriac.backend.MatmulKernels;
import dev.theriac.backend.vector.GemmPack.Element;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;

/**
 * Matrix products through {@link GemmF32}. Operands of any strides are read where they lie; an
 * operand whose last two strides are both other than one element is packed element by element.
 */
final class VectorMatmul implements MatmulKernels {

  @Override
  public void matmul(Strided a, Strided b, Strided bias, Strided c, boolean accumulate) {
    if (c.size() == 0) {
      return;
    }
    Strided left = a;
    Strided right = b;
    if (sharesMatrix(b)) {
      // One matrix for the whole batch: the batch is then only more rows, where a's strides allow.
      Layout rows = a.layout().reshape(c.size() / c.size(-1), a.size(-1));
      if (rows != null) {
        left = a.with(rows);
        right = b.with(matrixOf(b.layout()));
      }
    }
    Element type = element(right.dtype());
    long columns = c.size(-1);
    GemmF32.Shape shape =
        new GemmF32.Shape(
            size("columns", columns),
            4 * left.stride(-2),
            4 * left.stride(-1),
            type,
            type.bytes * right.stride(-2),
            type.bytes * right.stride(-1),
            4 * columns,
            accumulate);
    GemmF32.run(Batch.of(left, right, bias, c), shape);
  }

  private static boolean sharesMatrix(Strided b) {
    for (int dim = 0; dim < b.layout().rank() - 2; dim++) {
      if (b.size(dim) > 1 && b.stride(dim) != 0) {
        return false;
      }
    }
    return b.layout().rank() > 2;
  }

  private static Layout matrixOf(Layout x) {
    return Layout.strided(
        new long[] {x.size(-2), x.size(-1)}, new long[] {x.stride(-2), x.stride(-1)}, x.offset());
  }

  static Element element(DType type) {
    return switch (type) {
      case F32 -> Element.F32;
      case BF16 -> Element.BF16;
      case F16 -> Element.F16;
      default -> throw new IllegalArgumentException("matmul: right-hand operand is " + type);
    };
  }

  /** Rows, columns and depth are counted in 32 bits; addresses are not. */
  static int size(String what, long size) {
    if (size > Integer.MAX_VALUE / 2) {
      throw new IllegalArgumentException(
          "matmul: " + size + " " + what + " in one product; at most 2^30 are supported: split it");
    }
    return (int) size;
  }

  /** One product for each index of the leading dimensions, in row-major order. */
  private record Batch(
      Strided left,
      Strided right,
      Strided shift,
      Strided out,
      int count,
      int rows,
      int depth,
      long leftAddress,
      long rightAddress,
      long shiftAddress,
      long outAddress)
      implements GemmGroups {

    static Batch of(Strided a, Strided b, Strided bias, Strided c) {
      long count = 1;
      for (int dim = 0; dim < a.layout().rank() - 2; dim++) {
        count *= a.size(dim);
      }
      return new Batch(
          a,
          b,
          bias,
          c,
          size("batches", count),
          size("rows", a.size(-2)),
          size("terms", a.size(-1)),
          a.address(),
          b.address(),
          bias == null ? 0 : bias.address(),
          c.address());
    }

    @Override
    public int rows(int g) {
      return rows;
    }

    @Override
    public int depth(int g) {
      return depth;
    }

    @Override
    public long a(int g) {
      return leftAddress + 4 * offset(left.layout(), g);
    }

    @Override
    public long b(int g) {
      return rightAddress + right.dtype().bytes() * offset(right.layout(), g);
    }

    @Override
    public long bias(int g) {
      return shiftAddress;
    }

    @Override
    public long c(int g) {
      return outAddress + 4L * g * rows * out.size(-1);
    }

    private static long offset(Layout x, int g) {
      long offset = 0;
      long rest = g;
      for (int dim = x.rank() - 3; dim >= 0; dim--) {
        offset += rest % x.size(dim) * x.stride(dim);
        rest /= x.size(dim);
      }
      return offset;
    }
  }
}
