package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.CompareKind;
import dev.theriac.backend.ElementwiseKernels;
import dev.theriac.backend.Odometer;
import dev.theriac.backend.UnaryKind;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/**
 * Elementwise kernels. Contiguous operands are read in place; others pass through scratch that
 * stays in the first-level cache, and a repeating operand (a bias) is brought there once per task.
 */
final class VectorElementwise implements ElementwiseKernels {
  private static final long GRAIN = Grain.of(Grain.MOVE);
  private static final long FUNCTION_GRAIN = Grain.of(Grain.FUNCTION);

  /** Elements brought to scratch at a time. */
  private static final int PIECE = 1024;

  /** Elements from which bursts pay: two operands and a result then take 12 MiB. */
  private static final long FAR = 1 << 20;

  /** Elements of an operand that are fetched from memory in one go: eight lines, few misses. */
  private static final int BURST = 128;

  private static final float GELU_SLOPE = 1.5957691216057308f; // 2 sqrt(2 / pi)
  private static final float GELU_CUBIC = GELU_SLOPE * 0.044715f;
  private static final float QUICK = 1.702f;

  private final ElementwiseKernels scalar;

  VectorElementwise(ElementwiseKernels scalar) {
    this.scalar = scalar;
  }

  @Override
  public void unary(UnaryKind kind, Strided x, Strided out) {
    map(kind, 0, 0, x, out);
  }

  @Override
  public void affine(Strided x, float mul, float add, Strided out) {
    map(null, mul, add, x, out);
  }

  /** Elements of a task. */
  private static long grain(UnaryKind kind) {
    return switch (kind) {
      case null -> GRAIN;
      case NEG, ABS, SQRT, SQUARE, RECIPROCAL, RELU -> GRAIN;
      default -> FUNCTION_GRAIN;
    };
  }

  /** A function of one element; the affine one where {@code kind} is null. */
  private static void map(UnaryKind kind, float mul, float add, Strided x, Strided out) {
    long n = out.size();
    long grain = grain(kind);
    long px = x.address();
    long po = out.address();
    if (!x.isContiguous()) {
      Workers.parallelRange(
          n,
          grain,
          (from, to) -> {
            long scratch = Workspace.get(Workspace.TASK, 4L * PIECE);
            Staged in = new Staged(from, to, x);
            for (long i = from; i < to; i += PIECE) {
              int m = (int) Math.min(PIECE, to - i);
              in.next(scratch, m);
              map(kind, mul, add, scratch, po + 4 * i, m);
            }
          });
    } else if (n <= grain) {
      map(kind, mul, add, px, po, (int) n);
    } else {
      Workers.parallelRange(
          n,
          grain,
          (from, to) -> map(kind, mul, add, px + 4 * from, po + 4 * from, (int) (to - from)));
    }
  }

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

  @Override
  public void unaryGradient(UnaryKind kind, Strided x, Strided y, Strided grad, Strided dx) {
    long n = dx.size();
    long px = x.address();
    long py = y.address();
    long pg = grad.address();
    long pd = dx.address();
    long grain = grain(kind);
    if (n <= grain) {
      gradient(kind, px, py, pg, pd, (int) n);
      return;
    }
    Workers.parallelRange(
        n,
        grain,
        (from, to) -> {
          long o = 4 * from;
          gradient(kind, px + o, py + o, pg + o, pd + o, (int) (to - from));
        });
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

  @Override
  public void binary(BinaryKind kind, Strided a, Strided b, Strided out) {
    long n = out.size();
    long pa = a.address();
    long pb = b.address();
    long po = out.address();
    boolean flatA = a.isContiguous();
    boolean flatB = b.isContiguous();
    if (!flatA || !flatB) {
      staged(
          flatA ? null : a,
          pa,
          flatB ? null : b,
          pb,
          n,
          (x, y, i, m) -> zip(kind, x, y, po + 4 * i, m));
    } else if (n <= GRAIN) {
      zip(kind, pa, pb, po, (int) n);
    } else {
      Workers.parallelRange(
          n,
          GRAIN,
          (from, to) -> {
            long o = 4 * from;
            int m = (int) (to - from);
            if (n < FAR || kind == BinaryKind.SWIGLU) zip(kind, pa + o, pb + o, po + o, m);
            else zipFar(kind, pa + o, pb + o, po + o, m);
          });
    }
  }

  /** As zip, with {@link #BURST} elements of b fetched in one go before it is used. */
  private static void zipFar(BinaryKind kind, long a, long b, long y, int n) {
    int seen = 0;
    for (int i = 0; i < n; i += BURST) {
      int m = Math.min(BURST, n - i);
      long o = 4L * i;
      for (int j = 0; j < m; j += 16) seen ^= Host.getInt(b + o + 4L * j);
      zip(kind, a + o, b + o, y + o, m);
    }
    Host.setInt(Tails.vectors(1), seen); // so that the reads are not dead code
  }

  /** Work on {@code n} contiguous elements of two operands, the first of which is number i. */
  private interface Pair {
    void run(long a, long b, long i, int n);
  }

  /** {@code a} and {@code b} are null where contiguous. */
  private static void staged(Strided a, long pa, Strided b, long pb, long n, Pair pair) {
    long periodA = a == null ? 0 : Staged.period(a.layout());
    long periodB = b == null ? 0 : Staged.period(b.layout());
    long period = Math.max(periodA, periodB);
    // A piece of whole periods finds a repeating operand where the last piece left it.
    boolean whole =
        0 < period && period <= 2 * PIECE && (a == null || b == null || periodA == periodB);
    int piece = whole ? (int) (period * Math.max(1, PIECE / period)) : PIECE;
    long grain = piece * Math.max(1, GRAIN / piece);
    Workers.parallelRange(
        n,
        grain,
        (from, to) -> {
          long ta = Workspace.get(Workspace.TASK, 8L * piece);
          long tb = ta + 4L * piece;
          Staged inA = a == null ? null : new Staged(from, to, a);
          Staged inB = b == null ? null : new Staged(from, to, b);
          for (long i = from; i < to; i += piece) {
            int m = (int) Math.min(piece, to - i);
            boolean fresh = !whole || i == from;
            if (inA != null && fresh) inA.next(ta, m);
            if (inB != null && fresh) inB.next(tb, m);
            pair.run(inA == null ? pa + 4 * i : ta, inB == null ? pb + 4 * i : tb, i, m);
          }
        });
  }

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

  @Override
  public void accumulate(Strided acc, Strided x) {
    long n = acc.size();
    long pa = acc.address();
    long px = x.address();
    if (n <= GRAIN) {
      zip(BinaryKind.ADD, pa, px, pa, (int) n);
      return;
    }
    Workers.parallelRange(
        n,
        GRAIN,
        (from, to) -> {
          long o = 4 * from;
          zip(BinaryKind.ADD, pa + o, px + o, pa + o, (int) (to - from));
        });
  }

  @Override
  public void swigluGradient(Strided gate, Strided up, Strided grad, Strided dgate, Strided dup) {
    long n = grad.size();
    long pa = gate.address();
    long pb = up.address();
    long pg = grad.address();
    long qa = dgate.address();
    long qb = dup.address();
    if (n <= FUNCTION_GRAIN) {
      swigluGradient(pa, pb, pg, qa, qb, (int) n);
      return;
    }
    Workers.parallelRange(
        n,
        FUNCTION_GRAIN,
        (from, to) -> {
          long o = 4 * from;
          swigluGradient(pa + o, pb + o, pg + o, qa + o, qb + o, (int) (to - from));
        });
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

  @Override
  public void compare(CompareKind kind, Strided a, Strided b, Strided out) {
    if (a.dtype() != DType.F32) {
      scalar.compare(kind, a, b, out);
      return;
    }
    long po = out.address();
    staged(
        a.isContiguous() ? null : a,
        a.address(),
        b.isContiguous() ? null : b,
        b.address(),
        out.size(),
        (x, y, i, m) -> compare(kind, x, y, po + i, m));
  }

  private static void compare(CompareKind kind, long a, long b, long y, int n) {
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

  @Override
  public void where(Strided condition, Strided a, Strided b, Strided out) {
    if (out.dtype().bytes() != 4) {
      scalar.where(condition, a, b, out);
      return;
    }
    Workers.parallelRange(
        out.size(),
        GRAIN,
        (from, to) -> {
          for (Odometer o = new Odometer(from, to, condition, a, b, out); o.next(); ) {
            select(
                (int) o.length(),
                o.address(0),
                o.step(0),
                o.address(1),
                o.step(1),
                o.address(2),
                o.step(2),
                o.address(3));
          }
        });
  }

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

  @Override
  public void dropout(Strided x, float p, long seed, long stream, long offset, Strided out) {
    long px = x.address();
    long po = out.address();
    float scale = (float) (1 / (1.0 - p));
    Workers.parallelRange(
        out.size(),
        FUNCTION_GRAIN,
        (from, to) ->
            PhiloxLoops.dropout(
                px + 4 * from,
                po + 4 * from,
                (int) (to - from),
                p,
                scale,
                seed,
                stream,
                offset + from));
  }

  @Override
  public void copy(Strided x, Strided out) {
    if (x.dtype() != out.dtype()) {
      convert(x, out);
      return;
    }
    int bytes = x.dtype().bytes();
    long n = out.size();
    if (x.isContiguous() && out.isContiguous()) {
      long px = x.address();
      long po = out.address();
      Workers.parallelRange(
          n,
          GRAIN,
          (from, to) -> Moves.copy(px + from * bytes, po + from * bytes, (to - from) * bytes));
      return;
    }
    if (Permutation.copy(x, out)) return;
    Workers.parallelRange(
        n,
        GRAIN,
        (from, to) -> {
          for (Odometer o = new Odometer(from, to, x, out); o.next(); ) {
            Moves.run(bytes, o.length(), o.address(0), o.step(0), o.address(1), o.step(1));
          }
        });
  }

  private void convert(Strided x, Strided out) {
    DType from = x.dtype();
    DType to = out.dtype();
    if (!Conversions.has(from, to)) {
      scalar.copy(x, out);
      return;
    }
    long n = out.size();
    if (x.isContiguous() && out.isContiguous()) {
      long px = x.address();
      long po = out.address();
      long a = from.bytes();
      long b = to.bytes();
      Workers.parallelRange(
          n,
          GRAIN,
          (start, end) ->
              Conversions.run(from, px + start * a, a, to, po + start * b, b, (int) (end - start)));
      return;
    }
    Workers.parallelRange(
        n,
        GRAIN,
        (start, end) -> {
          for (Odometer o = new Odometer(start, end, x, out); o.next(); ) {
            Conversions.run(
                from, o.address(0), o.step(0), to, o.address(1), o.step(1), (int) o.length());
          }
        });
  }

  @Override
  public void fill(Strided out, double value) {
    if (out.dtype() != DType.F32 || !out.isContiguous()) {
      scalar.fill(out, value);
      return;
    }
    long po = out.address();
    int bits = Float.floatToRawIntBits((float) value);
    Workers.parallelRange(
        out.size(),
        GRAIN,
        (from, to) -> {
          long at = po + 4 * from;
          int m = (int) (to - from);
          int whole = m & -LENGTH;
          Moves.fill(at, whole, Float.intBitsToFloat(bits));
          for (int i = whole; i < m; i++) Host.setInt(at + 4L * i, bits);
        });
  }
}
