package dev.theriac.backend.vector;

/**
 * The products that one call computes: {@code count} of them, which share strides and the number of
 * columns. Addresses are absolute.
 */
interface GemmGroups {

  /** Number of products. */
  int count();

  /** Rows of a and c in product {@code g}. */
  int rows(int g);

  /** Columns of a, rows of b. */
  int depth(int g);

  /** Address of a. */
  long a(int g);

  /** Address of b. */
  long b(int g);

  /** Address of the bias row, or 0 for none. */
  long bias(int g);

  /** Address of c. */
  long c(int g);

  /** Address of I64 indices that stand for the row of a, whose rows are contiguous; 0 for none. */
  default long aRowIndex(int g) {
    return 0;
  }

  /** Address of I64 indices that stand for the column of a, likewise. */
  default long aColumnIndex(int g) {
    return 0;
  }

  /** Address of I64 indices that stand for the row of b, whose rows are contiguous; 0 for none. */
  default long bIndex(int g) {
    return 0;
  }

  /** Address of the second b, where there are two. */
  default long b2(int g) {
    return 0;
  }

  /** Address of the second bias row, or 0 for none. */
  default long bias2(int g) {
    return 0;
  }

  /** Address of the second c. */
  default long c2(int g) {
    return 0;
  }

  /** Called for each block of c when it is complete, on the thread that made it. */
  default void finish(int g, int firstRow, int rows, int firstColumn, int columns) {}
}
