package dev.theriac.cuda;

/** How far kernels of the GPU may be from the scalar back end's, and how far they were found. */
final class CudaTolerances {
  /** Matrix products in F32, relative to the sum of the products' magnitudes; found: 1.5e-7. */
  static final double PRODUCT_F32 = 5e-7;

  private CudaTolerances() {}
}
