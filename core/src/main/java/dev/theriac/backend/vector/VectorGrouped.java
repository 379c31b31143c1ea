package dev.theriac.backend.vector;

import dev.theriac.backend.GroupedKernels;
import dev.theriac.backend.vector.GemmPack.Element;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Products of row groups through {@link GemmF32}: all groups in one parallel region, cut into
 * blocks of rows and columns of each.
 */
final class VectorGrouped implements GroupedKernels {

  @Override
  public void grouped(Strided x, Strided w, Strided bias, Strided offsets, Strided out) {
    long n = w.size(1);
    long k = w.size(2);
    GemmF32.run(new Rows(offsets, x, w, bias, out), shape(n, 4 * k, 4, 4, 4 * k));
  }

  @Override
  public void groupedInputGradient(Strided grad, Strided w, Strided offsets, Strided dx) {
    long n = w.size(1);
    long k = w.size(2);
    GemmF32.run(new Rows(offsets, grad, w, null, dx), shape(k, 4 * n, 4, 4 * k, 4));
  }

  @Override
  public void groupedWeightGradient(
      Strided grad, Strided x, Strided offsets, Strided dw, Strided dbias) {
    long n = dw.size(1);
    long k = dw.size(2);
    GemmF32.run(
        new Sums(offsets, VectorMatmul.size("columns", n), grad, 4 * n, x, 4 * k, dw, 4 * n * k),
        shape(k, 4, 4 * n, 4 * k, 4));
    if (dbias != null) {
      // Column sums are the product with a row of ones; a stride of zero makes one value a row.
      GemmF32.run(
          new Sums(offsets, 1, null, 0, grad, 4 * n, dbias, 4 * n), shape(n, 0, 0, 4 * n, 4));
    }
  }

  private static GemmF32.Shape shape(long columns, long aRow, long aCol, long bRow, long bCol) {
    return new GemmF32.Shape(
        VectorMatmul.size("columns", columns),
        aRow,
        aCol,
        Element.F32,
        bRow,
        bCol,
        4 * columns,
        false);
  }

  private static long offset(Strided offsets, int g) {
    return Host.getLong(offsets.address() + 8L * g);
  }

  private static int length(Strided offsets, int g) {
    return VectorMatmul.size("rows", offset(offsets, g + 1) - offset(offsets, g));
  }

  /** Rows of group g times matrix g: forward, and the gradient of the input. */
  private record Rows(Strided offsets, Strided x, Strided w, Strided shift, Strided out)
      implements GemmGroups {

    @Override
    public int count() {
      return (int) w.size(0);
    }

    @Override
    public int rows(int g) {
      return length(offsets, g);
    }

    @Override
    public int depth(int g) {
      return VectorMatmul.size("terms", x.size(1));
    }

    @Override
    public long a(int g) {
      return x.address() + 4 * offset(offsets, g) * x.size(1);
    }

    @Override
    public long b(int g) {
      return w.address() + 4 * g * w.size(1) * w.size(2);
    }

    @Override
    public long bias(int g) {
      return shift == null ? 0 : shift.address() + 4 * g * w.size(1);
    }

    @Override
    public long c(int g) {
      return out.address() + 4 * offset(offsets, g) * out.size(1);
    }
  }

  /** Sums over the rows of group g: the gradients of matrix and bias. */
  private record Sums(
      Strided offsets,
      int rows,
      Strided left,
      long leftRow,
      Strided right,
      long rightRow,
      Strided out,
      long outStep)
      implements GemmGroups {

    private static final MemorySegment ONE = Arena.global().allocateFrom(Lanes.F32, 1f);

    @Override
    public int count() {
      return (int) out.size(0);
    }

    @Override
    public int rows(int g) {
      return rows;
    }

    @Override
    public int depth(int g) {
      return length(offsets, g);
    }

    @Override
    public long a(int g) {
      return left == null ? ONE.address() : left.address() + offset(offsets, g) * leftRow;
    }

    @Override
    public long b(int g) {
      return right.address() + offset(offsets, g) * rightRow;
    }

    @Override
    public long bias(int g) {
      return 0;
    }

    @Override
    public long c(int g) {
      return out.address() + g * outStep;
    }
  }
}
