package dev.theriac.cuda;

import dev.theriac.backend.GroupedKernels.Rows;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.cuda.device.Launch;
import dev.theriac.tensor.Strided;

/**
 * The tiles that the kernels of matrix products are made with, as {@code gemm.cuh} has them.
 *
 * @param suffix of the names of kernels
 * @param size rows, and columns, of a tile
 * @param threads of a block
 * @param operandBytes shared memory of one operand's part
 */
record Tiles(String suffix, int size, int threads, int operandBytes) {
  /** So many large tiles occupy a card; of fewer there are better many small ones. */
  private static final long MANY = 128;

  private static final int LARGE = 128;

  /** Tiles of 64 by 64 that a thread block of 128 works on. */
  static Tiles small(Precision precision) {
    return switch (precision) {
      case F32 -> new Tiles("f32", 64, 128, 16 * (64 + 4) * 4);
      case TF32 -> new Tiles("tf32", 64, 128, 64 * (16 + 4) * 4);
      case BF16 -> new Tiles("bf16", 64, 128, 64 * (32 + 8) * 2);
    };
  }

  /** Small ones for products with two matrices at once. */
  static Tiles pair(Precision precision) {
    return precision == Precision.BF16
        ? new Tiles("bf16", 64, 128, 64 * (16 + 8) * 2)
        : small(precision);
  }

  private static Tiles large(Precision precision) {
    return switch (precision) {
      case F32 -> new Tiles("f32_large", LARGE, 256, 8 * (LARGE + 4) * 4);
      case TF32 -> new Tiles("tf32_large", LARGE, 256, LARGE * (16 + 4) * 4);
      case BF16 -> new Tiles("bf16_large", LARGE, 256, LARGE * (32 + 8) * 2);
    };
  }

  /** For {@code count} products of that many rows and columns; the bits do not depend on it. */
  static Tiles of(Precision precision, long count, long rows, long columns) {
    long tiles = count * ceiling(rows, LARGE) * ceiling(columns, LARGE);
    return tiles >= MANY ? large(precision) : small(precision);
  }

  /** Tiles that cover so many rows and columns. */
  long cover(long rows, long columns) {
    return ceiling(rows, size) * ceiling(columns, size);
  }

  /** Numbers that tiles of so many rows in so many groups get; see {@code groups.cuh}. */
  long numbers(long rows, long groups) {
    return rows / size + groups;
  }

  /** A launch with the threads and the shared memory for products with {@code rights} matrices. */
  Launch launch(CudaDevice device, String kernel, int rights) {
    // Two stages of each operand.
    return device
        .kernel(kernel + "_" + suffix)
        .block(threads)
        .shared(2 * (1 + rights) * operandBytes);
  }

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

  /** The two parameters that rows are to a kernel: values and index. */
  static Launch rows(Launch launch, Rows rows) {
    return launch.pointer(rows.values()).pointer(rows.index());
  }

  static long ceiling(long size, long part) {
    return (size + part - 1) / part;
  }
}
