package dev.theriac.moe.kit.oracle;

/** Activations and their derivatives in float64, from their definitions. */
public enum Activation {
  /** x Phi(x), Phi the standard normal distribution function (Hendrycks and Gimpel 2016). */
  GELU {
    @Override
    public double value(double x) {
      return 0.5 * x * (1 + erf(x / Math.sqrt(2)));
    }

    @Override
    public double slope(double x) {
      double density = Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
      return 0.5 * (1 + erf(x / Math.sqrt(2))) + x * density;
    }
  },
  /** The tanh approximation of the same paper. */
  GELU_TANH {
    @Override
    public double value(double x) {
      return 0.5 * x * (1 + Math.tanh(inner(x)));
    }

    @Override
    public double slope(double x) {
      double t = Math.tanh(inner(x));
      double innerSlope = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);
      return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * innerSlope;
    }

    private static double inner(double x) {
      return Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);
    }
  },
  /** x sigmoid(x). */
  SILU {
    @Override
    public double value(double x) {
      return x * sigmoid(x);
    }

    @Override
    public double slope(double x) {
      double s = sigmoid(x);
      return s * (1 + x * (1 - s));
    }
  },
  /** max(x, 0); the slope at 0 is 0. */
  RELU {
    @Override
    public double value(double x) {
      return x > 0 ? x : 0;
    }

    @Override
    public double slope(double x) {
      return x > 0 ? 1 : 0;
    }
  };

  public abstract double value(double x);

  /** The derivative at x. */
  public abstract double slope(double x);

  /** 1 / (1 + e^-x), without overflow. */
  public static double sigmoid(double x) {
    if (x >= 0) return 1 / (1 + Math.exp(-x));
    double e = Math.exp(x);
    return e / (1 + e);
  }

  /**
   * The error function. The series 2/sqrt(pi) e^(-x^2) sum 2^n x^(2n+1) / (2n+1)!! has positive
   * terms only, so that nothing cancels (Abramowitz and Stegun 7.1.6).
   */
  static double erf(double x) {
    double a = Math.abs(x);
    if (Double.isNaN(x)) return x;
    if (a > 6) return Math.signum(x);
    double term = a;
    double sum = a;
    for (int n = 1; term > sum * 0x1p-56; n++) {
      term *= 2 * a * a / (2 * n + 1);
      sum += term;
    }
    return Math.signum(x) * 2 / Math.sqrt(Math.PI) * Math.exp(-a * a) * sum;
  }
}
