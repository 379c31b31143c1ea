package dev.theriac.backend;

import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Strided;

/**
 * Matrices of whole numbers with a scale for each block of a row, or of floating ones in the order
 * in which products read them. Everything is contiguous.
 */
public interface QuantisedKernels {
  /**
   * A matrix [rows, columns].
   *
   * @param bytes U8, see {@link QuantisedFormat}
   */
  record Weights(Strided bytes, QuantisedFormat format, long rows, long columns) {
    /** Address of the first byte. */
    public long address() {
      return bytes.address();
    }
  }

  /**
   * Rounds F32 or half-type values [rows, columns]: the scale of a block is its largest magnitude
   * over the largest number, rounded up to BF16 (at least 2^-100; 0 in a block of zeros), the
   * number is w / scale, rounded to nearest even. Formats without scales take the values
   * themselves, in BF16 rounded to nearest even.
   *
   * @throws IllegalArgumentException for a value that is not finite, or above 2^100 (without
   *     scales: not finite once rounded)
   */
  void quantise(Strided values, Weights to);

  /** out[n, k] = number times scale, exactly; F32 [rows, columns]. */
  void dequantise(Weights from, Strided out);

  /**
   * out[m, n] = bias[n] + sum over k of x[m, k] w[n, k], with w as {@link #dequantise} gives it.
   *
   * @param x F32 [M, columns]
   * @param bias F32 [rows] or null
   * @param out F32 [M, rows]
   */
  void linear(Strided x, Weights w, Strided bias, Strided out);
}
