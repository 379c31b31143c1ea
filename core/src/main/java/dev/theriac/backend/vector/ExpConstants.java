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
 * <p>e^x = 2^n e^r with n = round(x log2 e) and |r| at most ln(2) / 2. Adding ROUND rounds to a
 * whole number and leaves n in the low bits; adding MAGIC leaves n + 127, which shifted left by 23
 * are the bits of 2^n. There are two polynomials for e^r: one of degree 7 (E1 to E6; Moshier,
 * Cephes, expf) and a shorter one (X2 to X6).
 */
final class ExpConstants {
  static final float LOG2E = 1.44269504f;
  static final float ROUND = 12582912f;
  static final float MAGIC = ROUND + 127f;
  static final float LN2_HIGH = 0.693147182f;
  static final float LN2_LOW = -1.90465432e-9f;

  /** ln 2 in two parts of which the first has nine bits, so that n times it is exact. */
  static final float LN2_SHORT = 0.693359375f;

  static final float LN2_REST = -2.12194440e-4f;

  static final float E1 = 5.0000001201e-1f;
  static final float E2 = 1.6666665459e-1f;
  static final float E3 = 4.1665795894e-2f;
  static final float E4 = 8.3334519073e-3f;
  static final float E5 = 1.3981999507e-3f;
  static final float E6 = 1.9875691500e-4f;

  /**
   * e^r = 1 + r + r^2 (X2 + X3 r + ... + X6 r^4), a minimax fit of our own with a relative error of
   * 4e-9, to be evaluated in pairs of terms: the chain of dependent operations, and not their
   * number, bounds these loops.
   */
  static final float X2 = 0.4999999403953552f;

  static final float X3 = 0.1666652113199234f;
  static final float X4 = 0.04166838899254799f;
  static final float X5 = 0.008368724025785923f;
  static final float X6 = 0.0013814581325277686f;

  /**
   * e^x = 2^n 2^f with n = round(x log2 e) and f = x log2 e - n, 2^f = 1 + P1 f + ... + P6 f^6 (a
   * minimax fit of our own, relative error 2e-9): two operations fewer, for loops whose results are
   * held to the error of the exponent. The error of log2 e, 1.3e-8 |x|, is one of those.
   */
  static final float P1 = 0.6931472f;

  static final float P2 = 0.24022648f;
  static final float P3 = 0.055503324f;
  static final float P4 = 0.009618437f;
  static final float P5 = 0.0013398874f;
  static final float P6 = 1.5353362e-4f;

  /** Exponents below this are not given to the shorter form: 2^n would be subnormal. */
  static final float EXP_LOW = -87f;

  /** Exponents above this are not given to it either: their exponential is infinite. */
  static final float EXP_HIGH = 88.7f;

  /**
   * Phi(-a) = e^(-a^2/2) (PHI_1 t + ... + PHI_8 t^8) with t = 1 / (1 + PHI_T a), for a from 0 to
   * PHI_END; a minimax fit of our own with a relative error of 1.1e-7.
   */
  static final float PHI_T = 0.305f;

  static final float PHI_1 = 0.12163973599672318f;
  static final float PHI_2 = 0.12246681749820709f;
  static final float PHI_3 = 0.10342086106538773f;
  static final float PHI_4 = 0.12102171033620834f;
  static final float PHI_5 = -0.03797692432999611f;
  static final float PHI_6 = 0.18571703135967255f;
  static final float PHI_7 = -0.15298840403556824f;
  static final float PHI_8 = 0.036699213087558746f;

  /** Above this e^(-a^2/2) is subnormal, and x Phi(x) is x or 0. */
  static final float PHI_END = 13.19f;

  /** The normal density at 0, 1 / sqrt(2 pi). */
  static final float DENSITY_0 = 0.3989422804014327f;

  private ExpConstants() {}
}
