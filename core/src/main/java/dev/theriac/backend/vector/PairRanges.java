package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.CompareKind;
import dev.theriac.tensor.Host;

/** Functions of two operands on contiguous elements of any number. */
final class PairRanges {
  /** Elements of an operand that are fetched from memory in one go: eight lines, few misses. */
  private static final int BURST = 128;

  private PairRanges() {}

  static void zip(BinaryKind kind, long a, long b, long y, int n) {
    int whole = n & -LENGTH;
    if (whole > 0) zipLoop(kind, a, b, y, whole);
    if (whole == n) return;
    long o = 4L * whole;
    long t = Tails.vectors(2);
    Tails.copy(a + o, t, n - whole);
    Tails.copy(b + o, t + BYTES, n - whole);
    zipLoop(kind, t, t + BYTES, t, LENGTH);
    Tails.copy(t, y + o, n - whole);
  }

  private static void zipLoop(BinaryKind kind, long a, long b, long y, int n) {
    switch (kind) {
      case ADD -> BinaryLoops.add(a, b, y, n);
      case SUB -> BinaryLoops.sub(a, b, y, n);
      case MUL -> BinaryLoops.mul(a, b, y, n);
      case DIV -> BinaryLoops.div(a, b, y, n);
      case MAXIMUM -> BinaryLoops.maximum(a, b, y, n);
      case MINIMUM -> BinaryLoops.minimum(a, b, y, n);
      case SWIGLU -> BinaryLoops.swiglu(a, b, y, n);
    }
  }

  /** As zip, with {@link #BURST} elements of b fetched in one go before it is used. */
  static void zipFar(BinaryKind kind, long a, long b, long y, int n) {
    int seen = 0;
    for (int i = 0; i < n; i += BURST) {
      int m = Math.min(BURST, n - i);
      long o = 4L * i;
      for (int j = 0; j < m; j += 16) seen ^= Host.getInt(b + o + 4L * j);
      zip(kind, a + o, b + o, y + o, m);
    }
    Host.setInt(Tails.vectors(1), seen); // so that the reads are not dead code
  }

  static void swigluGradient(long a, long b, long g, long da, long db, int n) {
    int whole = n & -LENGTH;
    if (whole > 0) BinaryLoops.swigluGradient(a, b, g, da, db, whole);
    if (whole == n) return;
    long o = 4L * whole;
    long t = Tails.vectors(3);
    Tails.copy(a + o, t, n - whole);
    Tails.copy(b + o, t + BYTES, n - whole);
    Tails.copy(g + o, t + 2 * BYTES, n - whole);
    BinaryLoops.swigluGradient(t, t + BYTES, t + 2 * BYTES, t, t + BYTES, LENGTH);
    Tails.copy(t, da + o, n - whole);
    Tails.copy(t + BYTES, db + o, n - whole);
  }

  static void compare(CompareKind kind, long a, long b, long y, int n) {
    int whole = n & -LENGTH;
    if (whole > 0) compareLoop(kind, a, b, y, whole);
    if (whole == n) return;
    long o = 4L * whole;
    long t = Tails.vectors(3);
    Tails.copy(a + o, t, n - whole);
    Tails.copy(b + o, t + BYTES, n - whole);
    compareLoop(kind, t, t + BYTES, t + 2 * BYTES, LENGTH);
    for (int i = 0; i < n - whole; i++) {
      Host.setByte(y + whole + i, Host.getByte(t + 2 * BYTES + i));
    }
  }

  private static void compareLoop(CompareKind kind, long a, long b, long y, int n) {
    switch (kind) {
      case EQ -> CompareLoops.equal(a, b, y, n, 0);
      case NE -> CompareLoops.equal(a, b, y, n, -1);
      case LT -> CompareLoops.less(a, b, y, n);
      case LE -> CompareLoops.lessOrEqual(a, b, y, n);
      case GT -> CompareLoops.less(b, a, y, n);
      case GE -> CompareLoops.lessOrEqual(b, a, y, n);
    }
  }

  /** Elements of a or b where the condition's byte is or is not 0; steps are in bytes. */
  static void select(
      int n, long condition, long stepC, long a, long stepA, long b, long stepB, long to) {
    int whole = n & -LENGTH;
    boolean even = stepC == 1 && (stepA == 4 || stepA == 0) && (stepB == 4 || stepB == 0);
    if (!even || whole == 0) {
      Moves.select(n, condition, stepC, a, stepA, b, stepB, to);
      return;
    }
    long t = Tails.vectors(2);
    for (int i = 0; i < LENGTH; i++) {
      if (stepA == 0) Host.setInt(t + 4L * i, Host.getInt(a));
      if (stepB == 0) Host.setInt(t + BYTES + 4L * i, Host.getInt(b));
    }
    long from = stepA == 0 ? t : a;
    long other = stepB == 0 ? t + BYTES : b;
    CompareLoops.select(condition, from, stepA, other, stepB, to, whole);
    Moves.select(
        n - whole,
        condition + whole,
        stepC,
        a + whole * stepA,
        stepA,
        b + whole * stepB,
        stepB,
        to + 4L * whole);
  }
}
