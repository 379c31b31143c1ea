package dev.theriac.backend.scalar;

import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.CompareKind;
import dev.theriac.backend.ElementwiseKernels;
import dev.theriac.backend.Odometer;
import dev.theriac.backend.UnaryKind;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Philox;
import dev.theriac.tensor.Strided;

/** Every function is computed in float64 and rounded once. */
final class ScalarElementwise implements ElementwiseKernels {
  private static final long GRAIN = 1 << 13;

  @Override
  public void unary(UnaryKind kind, Strided x, Strided out) {
    Workers.parallelRange(
        out.size(),
        GRAIN,
        (from, to) -> {
          for (Odometer o = new Odometer(from, to, x, out); o.next(); ) {
            long px = o.address(0);
            long po = o.address(1);
            for (long i = 0; i < o.length(); i++, px += o.step(0), po += o.step(1)) {
              Host.setFloat(po, (float) Functions.apply(kind, Host.getFloat(px)));
            }
          }
        });
  }

  @Override
  public void unaryGradient(UnaryKind kind, Strided x, Strided y, Strided grad, Strided dx) {
    long px = x.address();
    long pg = grad.address();
    long pd = dx.address();
    Workers.parallelRange(
        dx.size(),
        GRAIN,
        (from, to) -> {
          for (long i = 4 * from; i < 4 * to; i += 4) {
            double slope = Functions.derivative(kind, Host.getFloat(px + i));
            Host.setFloat(pd + i, (float) (Host.getFloat(pg + i) * slope));
          }
        });
  }

  @Override
  public void binary(BinaryKind kind, Strided a, Strided b, Strided out) {
    Workers.parallelRange(
        out.size(),
        GRAIN,
        (from, to) -> {
          for (Odometer o = new Odometer(from, to, a, b, out); o.next(); ) {
            long pa = o.address(0);
            long pb = o.address(1);
            long po = o.address(2);
            for (long i = 0; i < o.length(); i++) {
              double value = Functions.apply(kind, Host.getFloat(pa), Host.getFloat(pb));
              Host.setFloat(po, (float) value);
              pa += o.step(0);
              pb += o.step(1);
              po += o.step(2);
            }
          }
        });
  }

  @Override
  public void swigluGradient(Strided gate, Strided up, Strided grad, Strided dgate, Strided dup) {
    long pa = gate.address();
    long pb = up.address();
    long pg = grad.address();
    long qa = dgate.address();
    long qb = dup.address();
    Workers.parallelRange(
        grad.size(),
        GRAIN,
        (from, to) -> {
          for (long i = 4 * from; i < 4 * to; i += 4) {
            double a = Host.getFloat(pa + i);
            double b = Host.getFloat(pb + i);
            double g = Host.getFloat(pg + i);
            Host.setFloat(qa + i, (float) (g * b * Functions.siluDerivative(a)));
            Host.setFloat(qb + i, (float) (g * Functions.silu(a)));
          }
        });
  }

  @Override
  public void compare(CompareKind kind, Strided a, Strided b, Strided out) {
    DType type = a.dtype();
    Workers.parallelRange(
        out.size(),
        GRAIN,
        (from, to) -> {
          for (Odometer o = new Odometer(from, to, a, b, out); o.next(); ) {
            long pa = o.address(0);
            long pb = o.address(1);
            long po = o.address(2);
            for (long i = 0; i < o.length(); i++) {
              boolean holds =
                  type == DType.I64 // not every long is a double
                      ? Functions.compare(kind, Host.getLong(pa), Host.getLong(pb))
                      : Functions.compare(kind, Host.get(type, pa, 0), Host.get(type, pb, 0));
              Host.setByte(po, (byte) (holds ? 1 : 0));
              pa += o.step(0);
              pb += o.step(1);
              po += o.step(2);
            }
          }
        });
  }

  @Override
  public void where(Strided condition, Strided a, Strided b, Strided out) {
    int bytes = out.dtype().bytes();
    Workers.parallelRange(
        out.size(),
        GRAIN,
        (from, to) -> {
          for (Odometer o = new Odometer(from, to, condition, a, b, out); o.next(); ) {
            long pc = o.address(0);
            long pa = o.address(1);
            long pb = o.address(2);
            long po = o.address(3);
            for (long i = 0; i < o.length(); i++) {
              Moves.move(bytes, Host.getByte(pc) != 0 ? pa : pb, po);
              pc += o.step(0);
              pa += o.step(1);
              pb += o.step(2);
              po += o.step(3);
            }
          }
        });
  }

  @Override
  public void affine(Strided x, float mul, float add, Strided out) {
    Workers.parallelRange(
        out.size(),
        GRAIN,
        (from, to) -> {
          for (Odometer o = new Odometer(from, to, x, out); o.next(); ) {
            long px = o.address(0);
            long po = o.address(1);
            for (long i = 0; i < o.length(); i++, px += o.step(0), po += o.step(1)) {
              Host.setFloat(po, Math.fma(Host.getFloat(px), mul, add));
            }
          }
        });
  }

  @Override
  public void dropout(Strided x, float p, long seed, long stream, long offset, Strided out) {
    long px = x.address();
    long po = out.address();
    double kept = 1.0 - p;
    Workers.parallelRange(
        out.size(),
        GRAIN,
        (from, to) -> {
          int[] words = new int[4];
          for (long i = from; i < to; i++) {
            long word = offset + i;
            if (i == from || (word & 3) == 0) Philox.block(seed, stream, word >>> 2, words);
            boolean keep = Philox.uniform(words[(int) (word & 3)]) >= p;
            Host.setFloat(po + 4 * i, keep ? (float) (Host.getFloat(px + 4 * i) / kept) : 0);
          }
        });
  }

  @Override
  public void copy(Strided x, Strided out) {
    Workers.parallelRange(
        out.size(),
        GRAIN,
        (from, to) -> {
          for (Odometer o = new Odometer(from, to, x, out); o.next(); ) {
            long px = o.address(0);
            long po = o.address(1);
            if (x.dtype() == out.dtype()) {
              Moves.moveRun(x.dtype().bytes(), o.length(), px, o.step(0), po, o.step(1));
              continue;
            }
            for (long i = 0; i < o.length(); i++, px += o.step(0), po += o.step(1)) {
              Moves.convert(x.dtype(), px, out.dtype(), po);
            }
          }
        });
  }

  @Override
  public void fill(Strided out, double value) {
    Workers.parallelRange(
        out.size(),
        GRAIN,
        (from, to) -> {
          for (Odometer o = new Odometer(from, to, out); o.next(); ) {
            long po = o.address(0);
            for (long i = 0; i < o.length(); i++, po += o.step(0)) {
              Host.set(out.dtype(), po, 0, value);
            }
          }
        });
  }

  @Override
  public void accumulate(Strided acc, Strided x) {
    long pa = acc.address();
    long px = x.address();
    Workers.parallelRange(
        acc.size(),
        GRAIN,
        (from, to) -> {
          for (long i = 4 * from; i < 4 * to; i += 4) {
            Host.setFloat(pa + i, Host.getFloat(pa + i) + Host.getFloat(px + i));
          }
        });
  }
}
