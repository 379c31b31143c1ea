package dev.theriac.backend.vector;

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
              UnaryRanges.map(kind, mul, add, scratch, po + 4 * i, m);
            }
          });
    } else if (n <= grain) {
      UnaryRanges.map(kind, mul, add, px, po, (int) n);
    } else {
      Workers.parallelRange(
          n,
          grain,
          (from, to) ->
              UnaryRanges.map(kind, mul, add, px + 4 * from, po + 4 * from, (int) (to - from)));
    }
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
      UnaryRanges.gradient(kind, px, py, pg, pd, (int) n);
      return;
    }
    Workers.parallelRange(
        n,
        grain,
        (from, to) -> {
          long o = 4 * from;
          UnaryRanges.gradient(kind, px + o, py + o, pg + o, pd + o, (int) (to - from));
        });
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
          (x, y, i, m) -> PairRanges.zip(kind, x, y, po + 4 * i, m));
    } else if (n <= GRAIN) {
      PairRanges.zip(kind, pa, pb, po, (int) n);
    } else {
      Workers.parallelRange(
          n,
          GRAIN,
          (from, to) -> {
            long o = 4 * from;
            int m = (int) (to - from);
            if (n < FAR || kind == BinaryKind.SWIGLU)
              PairRanges.zip(kind, pa + o, pb + o, po + o, m);
            else PairRanges.zipFar(kind, pa + o, pb + o, po + o, m);
          });
    }
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

  @Override
  public void accumulate(Strided acc, Strided x) {
    long n = acc.size();
    long pa = acc.address();
    long px = x.address();
    if (n <= GRAIN) {
      PairRanges.zip(BinaryKind.ADD, pa, px, pa, (int) n);
      return;
    }
    Workers.parallelRange(
        n,
        GRAIN,
        (from, to) -> {
          long o = 4 * from;
          PairRanges.zip(BinaryKind.ADD, pa + o, px + o, pa + o, (int) (to - from));
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
      PairRanges.swigluGradient(pa, pb, pg, qa, qb, (int) n);
      return;
    }
    Workers.parallelRange(
        n,
        FUNCTION_GRAIN,
        (from, to) -> {
          long o = 4 * from;
          PairRanges.swigluGradient(pa + o, pb + o, pg + o, qa + o, qb + o, (int) (to - from));
        });
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
        (x, y, i, m) -> PairRanges.compare(kind, x, y, po + i, m));
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
            PairRanges.select(
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
