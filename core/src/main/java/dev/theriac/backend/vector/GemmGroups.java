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
}
