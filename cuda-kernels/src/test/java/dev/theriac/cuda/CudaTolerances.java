package dev.theriac.cuda;

/** How far kernels of the GPU may be from the scalar back end's, and how far they were found. */
final class CudaTolerances {
  /** Matrix products in F32, relative to the sum of the products' magnitudes; found: 3.5e-7. */
  static final double PRODUCT_F32 = 1e-6;

  /** The same with operands rounded to 11 bits; found: 7.2e-4. */
  static final double PRODUCT_TF32 = 1e-3;

  /** The same with operands rounded to 8 bits; found: 5.4e-3. */
  static final double PRODUCT_BF16 = 8e-3;

  /**
   * Products of groups of rows and what experts make of them, relative to the largest magnitude of
   * the result; found: 6.3e-7, and 1.9e-7 for the gradient of the activation.
   */
  static final double GROUPED_F32 = 3e-6;

  /** The same in TF32; found: 6.2e-4. */
  static final double GROUPED_TF32 = 2e-3;

  /** The same in BF16; found: 5.1e-3. */
  static final double GROUPED_BF16 = 1.6e-2;

  /** Checks of the elementwise family, relative to the largest value; found: 3.9 units of 2^-24. */
  static final double ELEMENTWISE = 8 * 0x1p-24;

  /** Functions of one float, relative to their value; found: 4.0 units. */
  static final double UNARY = 8 * 0x1p-24;

  /** Their gradients, relative to the value or the arriving gradient; found: 5.4 units. */
  static final double UNARY_GRADIENT = 8 * 0x1p-24;

  /** LayerNorm and RMSNorm, relative to the largest of a row; found: 2.4e-7. */
  static final double NORM = 8 * 0x1p-24;

  /** Their gradients, relative to the largest of a row or of the parameters; found: 5.5e-7. */
  static final double NORM_GRADIENT = 16 * 0x1p-24;

  /** Output and log-sums of attention in F32, relative to the terms' magnitudes; found: 6.3e-7. */
  static final double ATTENTION_F32 = 2e-6;

  /** Gradients of attention in F32, relative to the terms' magnitudes; found: 7.0e-7. */
  static final double ATTENTION_GRADIENT_F32 = 2e-6;

  /** Sums and means, relative to the size of their terms; found: equal bit for bit. */
  static final double REDUCE = 4 * 0x1p-24;

  /** Rotated pairs, relative to the value or 1; found: 2.5 units. */
  static final double ROPE = 4 * 0x1p-24;

  /**
   * Steps of optimisers, relative to the value, or to 1 for SGD and 0.1 for AdamW; found: 3.7
   * units.
   */
  static final double OPTIM = 8 * 0x1p-24;

  /**
   * Softmax, its log, cross-entropy and gradients, relative to a row's largest; found: 2.7 units.
   */
  static final double SOFTMAX = 8 * 0x1p-24;

  private CudaTolerances() {}

  /**
   * Of kernels that work row by row.
   *
   * @param kernel family and method, as {@code KernelCheck} names them
   */
  static double of(String kernel) {
    boolean gradient = kernel.endsWith("Gradient");
    return switch (kernel.substring(0, kernel.indexOf('.'))) {
      case "norm" -> gradient ? NORM_GRADIENT : NORM;
      case "softmax", "loss" -> SOFTMAX;
      default -> throw new IllegalArgumentException("no tolerance for " + kernel);
    };
  }
}
