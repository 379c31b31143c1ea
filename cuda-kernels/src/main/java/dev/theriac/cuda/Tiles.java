package dev.theriac.cuda;

import dev.theriac.tensor.Strided;

/** What the kernels of all matrix products agree on with their callers. */
final class Tiles {
  /** Rows and columns of the small tile, and of the large one. */
  static final int SMALL = 64;

  static final int LARGE = 128;

  private Tiles() {}

  /** How kernels name the type of a matrix. */
  static int type(Strided matrix) {
    return switch (matrix.dtype()) {
      case F32 -> 0;
      case BF16 -> 1;
      case F16 -> 2;
      default ->
          throw new IllegalArgumentException(
              "a product with a matrix of " + matrix + "; F32, BF16 and F16 can be multiplied");
    };
  }

  static long count(long size, int tile) {
    return (size + tile - 1) / tile;
  }
}
