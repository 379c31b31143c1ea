package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.UnaryKind;

/** Functions of one operand, and their gradients, on contiguous elements of any number. */
final class UnaryRanges {
  private static final float GELU_SLOPE = 1.5957691216057308f; // 2 sqrt(2 / pi)
  private static final float GELU_CUBIC = GELU_SLOPE * 0.044715f;
  private static final float QUICK = 1.702f;

  private UnaryRanges() {}

  /** The affine function where {@code kind} is null. */
  static void map(UnaryKind kind, float mul, float add, long x, long y, int n) {
    int whole = n & -LENGTH;
    if (whole > 0) loop(kind, mul, add, x, y, whole);
    if (whole == n) return;
    long t = Tails.vectors(1);
    Tails.copy(x + 4L * whole, t, n - whole);
    loop(kind, mul, add, t, t, LENGTH);
    Tails.copy(t, y + 4L * whole, n - whole);
  }

  private static void loop(UnaryKind kind, float mul, float add, long x, long y, int n) {
    switch (kind) {
      case null -> UnaryLoops.affine(x, y, n, mul, add);
      case NEG -> UnaryLoops.neg(x, y, n);
      case ABS -> UnaryLoops.abs(x, y, n);
      case EXP -> UnaryLoops.exp(x, y, n);
      case LOG -> UnaryLoops.log(x, y, n);
      case SQRT -> UnaryLoops.sqrt(x, y, n);
      case RSQRT -> UnaryLoops.rsqrt(x, y, n);
      case SQUARE -> UnaryLoops.square(x, y, n);
      case RECIPROCAL -> UnaryLoops.reciprocal(x, y, n);
      case TANH -> UnaryLoops.tanh(x, y, n);
      case SIGMOID -> UnaryLoops.sigmoid(x, y, n);
      case RELU -> UnaryLoops.relu(x, y, n);
      case SILU -> UnaryLoops.silu(x, y, n);
      case GELU -> UnaryLoops.gelu(x, y, n);
      case GELU_TANH -> UnaryLoops.geluTanh(x, y, n, GELU_SLOPE, GELU_CUBIC);
      case QUICK_GELU -> UnaryLoops.quickGelu(x, y, n, QUICK);
      case SIN -> SineLoops.sine(x, y, n, 0, spare());
      case COS -> SineLoops.sine(x, y, n, 1, spare());
    }
  }

  /** Scratch of two vectors behind those that the ends of rows use. */
  private static long spare() {
    return Tails.vectors(5) + 3 * BYTES;
  }

  static void gradient(UnaryKind kind, long x, long y, long g, long d, int n) {
    int whole = n & -LENGTH;
    if (whole > 0) gradientLoop(kind, x, y, g, d, whole);
    if (whole == n) return;
    long o = 4L * whole;
    long t = Tails.vectors(3);
    Tails.copy(x + o, t, n - whole);
    Tails.copy(y + o, t + BYTES, n - whole);
    Tails.copy(g + o, t + 2 * BYTES, n - whole);
    gradientLoop(kind, t, t + BYTES, t + 2 * BYTES, t, LENGTH);
    Tails.copy(t, d + o, n - whole);
  }

  private static void gradientLoop(UnaryKind kind, long x, long y, long g, long d, int n) {
    switch (kind) {
      case NEG -> UnaryLoops.neg(g, d, n);
      case ABS -> UnaryGradientLoops.abs(x, g, d, n);
      case EXP -> UnaryGradientLoops.exp(y, g, d, n);
      case LOG -> UnaryGradientLoops.log(x, g, d, n);
      case SQRT -> UnaryGradientLoops.sqrt(y, g, d, n);
      case RSQRT -> UnaryGradientLoops.rsqrt(x, y, g, d, n);
      case SQUARE -> UnaryGradientLoops.square(x, g, d, n);
      case RECIPROCAL -> UnaryGradientLoops.reciprocal(y, g, d, n);
      case TANH -> UnaryGradientLoops.tanh(x, g, d, n);
      case SIGMOID -> UnaryGradientLoops.sigmoid(x, g, d, n);
      case RELU -> UnaryGradientLoops.relu(x, g, d, n);
      case SILU -> UnaryGradientLoops.silu(x, g, d, n, 1);
      case GELU -> UnaryGradientLoops.gelu(x, g, d, n);
      case GELU_TANH -> UnaryGradientLoops.geluTanh(x, g, d, n, GELU_SLOPE, GELU_CUBIC);
      case QUICK_GELU -> UnaryGradientLoops.silu(x, g, d, n, QUICK);
      case SIN -> SineLoops.timesSine(x, g, d, n, 1, spare());
      case COS -> SineLoops.timesSine(x, g, d, n, 2, spare());
    }
  }
}
