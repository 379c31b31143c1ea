package dev.theriac.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class ErfTest {
  /**
   * erf(x) = 2/sqrt(pi) exp(-x^2) sum of 2^n x^(2n+1) / (2n+1)!! (Abramowitz and Stegun 7.1.6): no
   * term is negative, so nothing cancels.
   */
  private static double series(double x) {
    double term = x;
    double sum = x;
    for (int n = 1; n < 400; n++) {
      term *= 2 * x * x / (2 * n + 1);
      sum += term;
    }
    return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
  }

  /** The continued fraction of erfc for x of at least 1 (Abramowitz and Stegun 7.1.14). */
  private static double fraction(double x) {
    double tail = 0;
    for (int n = 400; n >= 1; n--) tail = n / 2.0 / (x + tail);
    return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + tail);
  }

  @Test
  void agreesWithTheSeries() {
    for (double x = -3; x <= 3; x += 0.0137) {
      assertThat(Erf.erf(x)).isCloseTo(series(x), within(4e-15 * Math.abs(series(x))));
    }
  }

  @Test
  void agreesWithTheContinuedFraction() {
    for (double x = 1; x <= 26; x += 0.0371) {
      assertThat(Erf.erfc(x)).isCloseTo(fraction(x), within(1e-13 * fraction(x)));
      assertThat(Erf.erfc(-x)).isCloseTo(2 - fraction(x), within(1e-15));
    }
  }

  @Test
  void endsOfTheLine() {
    assertThat(Erf.erf(0)).isZero();
    assertThat(Erf.erf(Double.POSITIVE_INFINITY)).isEqualTo(1);
    assertThat(Erf.erf(Double.NEGATIVE_INFINITY)).isEqualTo(-1);
    assertThat(Erf.erfc(Double.POSITIVE_INFINITY)).isZero();
    assertThat(Erf.erfc(Double.NEGATIVE_INFINITY)).isEqualTo(2);
    assertThat(Erf.erf(Double.NaN)).isNaN();
  }
}
