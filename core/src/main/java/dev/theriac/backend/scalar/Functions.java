package dev.theriac.backend.scalar;

import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.CompareKind;
import dev.theriac.backend.Erf;
import dev.theriac.backend.UnaryKind;

/** Elementwise functions and their derivatives in float64. */
final class Functions {
  private static final double SQRT_HALF = Math.sqrt(0.5);
  private static final double INVERSE_SQRT_TAU = 1 / Math.sqrt(2 * Math.PI);
  private static final double GELU_SLOPE = Math.sqrt(2 / Math.PI);
  private static final double GELU_CUBIC = 0.044715;
  private static final double QUICK = 1.702;

  private Functions() {}

  static double sigmoid(double x) {
    return 1 / (1 + StrictMath.exp(-x));
  }

  static double silu(double x) {
    // The product would be -infinity * 0 at -infinity, where the limit is -0.
    return x == Double.NEGATIVE_INFINITY ? -0.0 : x * sigmoid(x);
  }

  static double siluDerivative(double x) {
    double s = sigmoid(x);
    double rest = sigmoid(-x);
    // An infinite x times 0 would be NaN where the limits are 0 and 1.
    return s == 0 || rest == 0 ? s : s * (1 + x * rest);
  }

  private static double quickGelu(double x) {
    return silu(QUICK * x) / QUICK;
  }

  private static double gelu(double x) {
    return x == Double.NEGATIVE_INFINITY ? -0.0 : 0.5 * x * Erf.erfc(-x * SQRT_HALF);
  }

  private static double geluDerivative(double x) {
    double density = StrictMath.exp(-0.5 * x * x);
    return 0.5 * Erf.erfc(-x * SQRT_HALF) + (density == 0 ? 0 : x * density * INVERSE_SQRT_TAU);
  }

  /** 0.5 (1 + tanh u) is sigmoid(2u), which does not cancel for negative u. */
  private static double geluTanh(double x) {
    double s = sigmoid(2 * GELU_SLOPE * (x + GELU_CUBIC * x * x * x));
    return s == 0 ? -0.0 : x * s;
  }

  private static double geluTanhDerivative(double x) {
    double s = sigmoid(2 * GELU_SLOPE * (x + GELU_CUBIC * x * x * x));
    double inner = 2 * GELU_SLOPE * (1 + 3 * GELU_CUBIC * x * x);
    double slope = s * (1 - s);
    return slope == 0 ? s : s + x * slope * inner;
  }

  static double apply(UnaryKind kind, double x) {
    return switch (kind) {
      case NEG -> -x;
      case ABS -> Math.abs(x);
      case EXP -> StrictMath.exp(x);
      case LOG -> StrictMath.log(x);
      case SQRT -> Math.sqrt(x);
      case RSQRT -> 1 / Math.sqrt(x);
      case SQUARE -> x * x;
      case RECIPROCAL -> 1 / x;
      case SIN -> StrictMath.sin(x);
      case COS -> StrictMath.cos(x);
      case TANH -> StrictMath.tanh(x);
      case SIGMOID -> sigmoid(x);
      case RELU -> x > 0 || Double.isNaN(x) ? x : 0;
      case SILU -> silu(x);
      case GELU -> gelu(x);
      case GELU_TANH -> geluTanh(x);
      case QUICK_GELU -> quickGelu(x);
    };
  }

  /** f'(x); that of ABS and RELU at 0 is 0. */
  static double derivative(UnaryKind kind, double x) {
    return switch (kind) {
      case NEG -> -1;
      case ABS -> Math.signum(x);
      case EXP -> StrictMath.exp(x);
      case LOG -> 1 / x;
      case SQRT -> 0.5 / Math.sqrt(x);
      case RSQRT -> -0.5 / (x * Math.sqrt(x));
      case SQUARE -> 2 * x;
      case RECIPROCAL -> -1 / (x * x);
      case SIN -> StrictMath.cos(x);
      case COS -> -StrictMath.sin(x);
      case TANH -> 4 * sigmoid(2 * x) * sigmoid(-2 * x);
      case SIGMOID -> sigmoid(x) * sigmoid(-x);
      case RELU -> x > 0 ? 1 : 0;
      case SILU -> siluDerivative(x);
      case GELU -> geluDerivative(x);
      case GELU_TANH -> geluTanhDerivative(x);
      case QUICK_GELU -> siluDerivative(QUICK * x);
    };
  }

  static double apply(BinaryKind kind, double a, double b) {
    return switch (kind) {
      case ADD -> a + b;
      case SUB -> a - b;
      case MUL -> a * b;
      case DIV -> a / b;
      case MAXIMUM -> Math.max(a, b);
      case MINIMUM -> Math.min(a, b);
      case SWIGLU -> silu(a) * b;
    };
  }

  static boolean compare(CompareKind kind, double a, double b) {
    return switch (kind) {
      case EQ -> a == b;
      case NE -> a != b;
      case LT -> a < b;
      case LE -> a <= b;
      case GT -> a > b;
      case GE -> a >= b;
    };
  }

  static boolean compare(CompareKind kind, long a, long b) {
    return switch (kind) {
      case EQ -> a == b;
      case NE -> a != b;
      case LT -> a < b;
      case LE -> a <= b;
      case GT -> a > b;
      case GE -> a >= b;
    };
  }
}
