package dev.theriac.backend;

/**
 * The complementary error function in float64, relative error below 1e-15 where the result is a
 * normal number. Rational approximations and coefficients of W. J. Cody, "Rational Chebyshev
 * approximations for the error function", Mathematics of Computation 23 (1969), in three ranges.
 */
public final class Erf {
  private static final double[] A = {
    3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3
  };
  private static final double A4 = 1.85777706184603153e-1;
  private static final double[] B = {
    2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3
  };
  private static final double[] C = {
    5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1, 2.98635138197400131e2,
    8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3
  };
  private static final double C8 = 2.15311535474403846e-8;
  private static final double[] D = {
    1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
    3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3
  };
  private static final double[] P = {
    3.05326634961232344e-1,
    3.60344899949804439e-1,
    1.25781726111229246e-1,
    1.60837851487422766e-2,
    6.58749161529837803e-4
  };
  private static final double P5 = 1.63153871373020978e-2;
  private static final double[] Q = {
    2.56852019228982242e0,
    1.87295284992346047e0,
    5.27905102951428412e-1,
    6.05183413124413191e-2,
    2.33520497626869185e-3
  };
  private static final double INVERSE_SQRT_PI = 5.6418958354775628695e-1;

  private Erf() {}

  /** 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x. */
  public static double erf(double x) {
    double y = Math.abs(x);
    if (y <= 0.46875) return x * ratio(y * y, A4, A, B);
    return x > 0 ? 1 - tail(y) : tail(y) - 1;
  }

  /** 1 - erf(x) without cancellation for large x. */
  public static double erfc(double x) {
    double y = Math.abs(x);
    if (y <= 0.46875) return 1 - x * ratio(y * y, A4, A, B);
    return x > 0 ? tail(y) : 2 - tail(y);
  }

  /** erfc(y) for y above 0.46875; exp(-y^2) is split so that y^2 is not rounded. */
  private static double tail(double y) {
    if (Double.isNaN(y)) return y;
    if (y > 27) return 0;
    double r;
    if (y <= 4) {
      r = ratio(y, C8, C, D);
    } else {
      double z = 1 / (y * y);
      r = (INVERSE_SQRT_PI - z * ratio(z, P5, P, Q)) / y;
    }
    double head = Math.floor(y * 16) / 16;
    return StrictMath.exp(-head * head) * StrictMath.exp(-(y - head) * (y + head)) * r;
  }

  private static double ratio(double x, double lead, double[] num, double[] den) {
    int last = num.length - 1;
    double n = lead * x;
    double d = x;
    for (int i = 0; i < last; i++) {
      n = (n + num[i]) * x;
      d = (d + den[i]) * x;
    }
    return (n + num[last]) / (d + den[last]);
  }
}
