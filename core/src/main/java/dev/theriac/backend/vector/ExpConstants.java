package dev.theriac.backend.vector;

/**
 * Constants of the exponential and of the normal distribution function.
 *
 * <p>The Vector API's own EXP and TANH are not used: compiled code runs them in vector stubs,
 * interpreted code in scalar library calls whose last bits differ, so a result would depend on when
 * the compiler got to the method. Additions, multiplications and fused multiply-adds are exact in
 * every tier. The text is repeated in each loop because a method that takes or returns a vector
 * boxes it when it is not inlined.
 *
 * <p>e^x = 2^n e^r with n = round(x log2 e) and |r| at most ln(2) / 2, e^r by a polynomial of
 * degree 7 (Moshier, Cephes, expf). Adding MAGIC rounds to a whole number and leaves n + 127 in the
 * low bits, which shifted left by 23 are the bits of 2^n.
 */
final class ExpConstants {
  static final float LOG2E = 1.44269504f;
  static final float MAGIC = 12582912f + 127f;
  static final float LN2_HIGH = 0.693147182f;
  static final float LN2_LOW = -1.90465432e-9f;
  static final float E1 = 5.0000001201e-1f;
  static final float E2 = 1.6666665459e-1f;
  static final float E3 = 4.1665795894e-2f;
  static final float E4 = 8.3334519073e-3f;
  static final float E5 = 1.3981999507e-3f;
  static final float E6 = 1.9875691500e-4f;

  /** Results below e^EXP_LOW are given as 0: the next ones would be subnormal. */
  static final float EXP_LOW = -87f;

  /** Arguments are cut to this; its exponential is infinity. */
  static final float EXP_HIGH = 89f;

  /**
   * Phi(-a) = e^(-a^2/2) (PHI_1 t + ... + PHI_9 t^9) with t = 1 / (1 + PHI_T a), for a from 0 to
   * 14; a minimax fit of our own with a relative error below 4e-8.
   */
  static final float PHI_T = 0.35f;

  static final float PHI_1 = 0.13962140305346643f;
  static final float PHI_2 = 0.13986189182300968f;
  static final float PHI_3 = 0.11983270382224155f;
  static final float PHI_4 = 0.10550866309846736f;
  static final float PHI_5 = -0.023111417669785507f;
  static final float PHI_6 = 0.15917649157175853f;
  static final float PHI_7 = -0.2557163194569602f;
  static final float PHI_8 = 0.143972707232725f;
  static final float PHI_9 = -0.029146139422119306f;

  /** The normal density at 0, 1 / sqrt(2 pi). */
  static final float DENSITY_0 = 0.3989422804014327f;

  private ExpConstants() {}
}
