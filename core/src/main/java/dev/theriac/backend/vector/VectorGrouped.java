package dev.theriac.backend.vector;

import dev.theriac.backend.GroupedKernels;
import dev.theriac.backend.vector.GemmPack.Element;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Products of row groups through {@link GemmF32}: all groups in one parallel region, cut into
 * blocks of rows and columns of each. Indexed rows are gathered while they are packed.
 */
final class VectorGrouped implements GroupedKernels {

  @Override
  public void grouped(Rows x, Strided w, Strided bias, Strided offsets, Strided out) {
    GemmF32.run(new Products(offsets, x, w, bias, out), forward(w, false));
  }

  /** Shape of the product with each group's transposed matrix. */
  static GemmF32.Shape forward(Strided w, boolean pair) {
    Element type = VectorMatmul.element(w.dtype());
    long n = w.size(1);
    long k = w.size(2);
    return new GemmF32.Shape(
        VectorMatmul.size("columns", n),
        4 * k,
        4,
        type,
        type.bytes,
        type.bytes * k,
        4 * n,
        false,
        pair);
  }

  @Override
  public void groupedInputGradient(
      Rows grad, Strided w, Strided offsets, boolean accumulate, Strided dx) {
    Element type = VectorMatmul.element(w.dtype());
    long n = w.size(1);
    long k = w.size(2);
    GemmF32.run(
        new Products(offsets, grad, w, null, dx),
        new GemmF32.Shape(
            VectorMatmul.size("columns", k),
            4 * n,
            4,
            type,
            type.bytes * k,
            type.bytes,
            4 * k,
            accumulate));
  }

  @Override
  public void groupedWeightGradient(
      Rows grad, Rows x, Strided offsets, boolean accumulate, Strided dw) {
    long n = dw.size(1);
    long k = dw.size(2);
    GemmF32.run(
        new Sums(offsets, VectorMatmul.size("columns", n), grad, x, dw),
        new GemmF32.Shape(
            VectorMatmul.size("columns", k), 4, 4 * n, Element.F32, 4 * k, 4, 4 * k, accumulate));
  }

  /** Column sums are the product with a row of scales; a stride of zero makes one value a row. */
  @Override
  public void groupedBiasGradient(
      Rows grad, Strided scale, Strided offsets, boolean accumulate, Strided dbias) {
    long n = dbias.size(1);
    GemmF32.run(
        new ColumnSums(offsets, scale, grad, dbias),
        new GemmF32.Shape(
            VectorMatmul.size("columns", n),
            0,
            scale == null ? 0 : 4,
            Element.F32,
            4 * n,
            4,
            4 * n,
            accumulate));
  }

  static long offset(Strided offsets, int g) {
    return Host.getLong(offsets.address() + 8L * g);
  }

  static int length(Strided offsets, int g) {
    return VectorMatmul.size("rows", offset(offsets, g + 1) - offset(offsets, g));
  }

  /** Address of a group's first row, or of all rows where there is an index. */
  static long first(Rows rows, Strided offsets, int g) {
    long at = rows.values().address();
    return rows.index() == null ? at + 4 * offset(offsets, g) * rows.columns() : at;
  }

  /** Address of a group's indices, or 0. */
  static long index(Rows rows, Strided offsets, int g) {
    return rows.index() == null ? 0 : rows.index().address() + 8 * offset(offsets, g);
  }

  /** Address of group g's matrix of a stack. */
  static long matrix(Strided stack, int g) {
    return stack.address() + g * stack.size(1) * stack.size(2) * stack.dtype().bytes();
  }

  /** Address of group g's row of a stack, or 0. */
  static long row(Strided stack, int g) {
    return stack == null ? 0 : stack.address() + 4 * g * stack.size(1);
  }

  /** Rows of group g times matrix g. */
  interface RowProducts extends GemmGroups {
    Strided offsets();

    Rows x();

    @Override
    default int count() {
      return (int) offsets().size() - 1;
    }

    @Override
    default int rows(int g) {
      return length(offsets(), g);
    }

    @Override
    default int depth(int g) {
      return VectorMatmul.size("terms", x().columns());
    }

    @Override
    default long a(int g) {
      return first(x(), offsets(), g);
    }

    @Override
    default long aRowIndex(int g) {
      return index(x(), offsets(), g);
    }
  }

  /** Sums over the rows of group g. */
  private interface RowSums extends GemmGroups {
    Strided offsets();

    Rows right();

    @Override
    default int count() {
      return (int) offsets().size() - 1;
    }

    @Override
    default int depth(int g) {
      return length(offsets(), g);
    }

    @Override
    default long b(int g) {
      return first(right(), offsets(), g);
    }

    @Override
    default long bIndex(int g) {
      return index(right(), offsets(), g);
    }

    @Override
    default long bias(int g) {
      return 0;
    }
  }

  /** Forward, and the gradient of the input. */
  private record Products(Strided offsets, Rows x, Strided w, Strided shift, Strided out)
      implements RowProducts {

    @Override
    public long b(int g) {
      return matrix(w, g);
    }

    @Override
    public long bias(int g) {
      return row(shift, g);
    }

    @Override
    public long c(int g) {
      return out.address() + 4 * offset(offsets, g) * out.size(1);
    }
  }

  /** The gradient of the matrix. */
  private record Sums(Strided offsets, int columns, Rows left, Rows right, Strided out)
      implements RowSums {

    @Override
    public int rows(int g) {
      return columns;
    }

    @Override
    public long a(int g) {
      return first(left, offsets, g);
    }

    @Override
    public long aColumnIndex(int g) {
      return index(left, offsets, g);
    }

    @Override
    public long c(int g) {
      return matrix(out, g);
    }
  }

  /** The gradient of the bias. */
  private record ColumnSums(Strided offsets, Strided scale, Rows right, Strided out)
      implements RowSums {

    private static final MemorySegment ONE = Arena.global().allocateFrom(Lanes.F32, 1f);

    @Override
    public int rows(int g) {
      return 1;
    }

    @Override
    public long a(int g) {
      return scale == null ? ONE.address() : scale.address() + 4 * offset(offsets, g);
    }

    @Override
    public long c(int g) {
      return row(out, g);
    }
  }
}
