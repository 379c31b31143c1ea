package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;
import static jdk.incubator.vector.VectorOperators.OR;

import dev.theriac.tensor.Host;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/** The loops of the optimisers. */
final class OptimLoops {
  private OptimLoops() {}

  /**
   * m = beta1 m + new1 g, v = beta2 v + new2 g^2, p = decay p - rate m / (correction sqrt(v) +
   * eps); n is a multiple of the vector length.
   */
  static void adamW(
      long p,
      long g,
      long m,
      long v,
      int n,
      float rate,
      float correction,
      float decay,
      float beta1,
      float beta2,
      float new1,
      float new2,
      float eps) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector k = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE);
      FloatVector first = FloatVector.fromMemorySegment(SPECIES, ALL, m + o, LE).mul(beta1);
      first = k.fma(FloatVector.broadcast(SPECIES, new1), first);
      FloatVector second = FloatVector.fromMemorySegment(SPECIES, ALL, v + o, LE).mul(beta2);
      second = k.mul(k).fma(FloatVector.broadcast(SPECIES, new2), second);
      first.intoMemorySegment(ALL, m + o, LE);
      second.intoMemorySegment(ALL, v + o, LE);
      FloatVector root = second.sqrt().fma(correction, eps);
      FloatVector old = FloatVector.fromMemorySegment(SPECIES, ALL, p + o, LE).mul(decay);
      old.sub(first.mul(rate).div(root)).intoMemorySegment(ALL, p + o, LE);
    }
  }

  /** p -= rate (scale g + decay p); n is a multiple of the vector length. */
  static void sgd(long p, long g, int n, float scale, float rate, float decay) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector old = FloatVector.fromMemorySegment(SPECIES, ALL, p + o, LE);
      FloatVector step = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE).mul(scale);
      step = old.fma(FloatVector.broadcast(SPECIES, decay), step);
      step.fma(FloatVector.broadcast(SPECIES, -rate), old).intoMemorySegment(ALL, p + o, LE);
    }
  }

  /** b = momentum b + scale g + decay p, p -= rate b; n is a multiple of the vector length. */
  static void momentum(
      long p, long g, long b, int n, float scale, float rate, float momentum, float decay) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector old = FloatVector.fromMemorySegment(SPECIES, ALL, p + o, LE);
      FloatVector step = FloatVector.fromMemorySegment(SPECIES, ALL, g + o, LE).mul(scale);
      step = old.fma(FloatVector.broadcast(SPECIES, decay), step);
      FloatVector sum = FloatVector.fromMemorySegment(SPECIES, ALL, b + o, LE);
      sum = sum.fma(FloatVector.broadcast(SPECIES, momentum), step);
      sum.intoMemorySegment(ALL, b + o, LE);
      sum.fma(FloatVector.broadcast(SPECIES, -rate), old).intoMemorySegment(ALL, p + o, LE);
    }
  }

  /** The bits of n floats, a multiple of four vectors, one or the other; signs left out. */
  static int anyBits(long x, int n) {
    IntVector any = FloatVector.zero(SPECIES).reinterpretAsInts();
    for (int i = 0; i < n; i += 4 * LENGTH) {
      long p = x + 4L * i;
      IntVector a = FloatVector.fromMemorySegment(SPECIES, ALL, p, LE).reinterpretAsInts();
      IntVector b = FloatVector.fromMemorySegment(SPECIES, ALL, p + BYTES, LE).reinterpretAsInts();
      IntVector c =
          FloatVector.fromMemorySegment(SPECIES, ALL, p + 2 * BYTES, LE).reinterpretAsInts();
      IntVector d =
          FloatVector.fromMemorySegment(SPECIES, ALL, p + 3 * BYTES, LE).reinterpretAsInts();
      any = any.or(a.or(b).or(c.or(d)));
    }
    return any.reduceLanes(OR) & 0x7fff_ffff;
  }

  /** Sum of squares in float64 with eight accumulators. */
  static double squares(long x, int n) {
    double a = 0;
    double b = 0;
    double c = 0;
    double d = 0;
    double e = 0;
    double f = 0;
    double g = 0;
    double h = 0;
    int i = 0;
    for (; i <= n - 8; i += 8) {
      long o = x + 4L * i;
      double v = Host.getFloat(o);
      a = Math.fma(v, v, a);
      v = Host.getFloat(o + 4);
      b = Math.fma(v, v, b);
      v = Host.getFloat(o + 8);
      c = Math.fma(v, v, c);
      v = Host.getFloat(o + 12);
      d = Math.fma(v, v, d);
      v = Host.getFloat(o + 16);
      e = Math.fma(v, v, e);
      v = Host.getFloat(o + 20);
      f = Math.fma(v, v, f);
      v = Host.getFloat(o + 24);
      g = Math.fma(v, v, g);
      v = Host.getFloat(o + 28);
      h = Math.fma(v, v, h);
    }
    for (; i < n; i++) {
      double v = Host.getFloat(x + 4L * i);
      a = Math.fma(v, v, a);
    }
    return a + b + (c + d) + (e + f + (g + h));
  }
}
