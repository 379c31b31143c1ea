package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;

import dev.theriac.backend.RopeFrequencies;
import dev.theriac.backend.RopeKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import java.lang.ref.Reference;
import jdk.incubator.vector.FloatVector;

/** Rotations with cosines and sines from a table that all calls share. */
final class VectorRope implements RopeKernels {
  private static final long GRAIN = Grain.of(Grain.ROW);

  private final RopeKernels scalar;

  VectorRope(RopeKernels scalar) {
    this.scalar = scalar;
  }

  @Override
  public void rope(
      Strided x, Strided positions, RopeFrequencies frequencies, boolean inverse, Strided out) {
    int rotary = frequencies.rotary();
    long pp = positions.address();
    long last = -1;
    for (long i = 0; i < positions.size(); i++) {
      long position = Host.getLong(pp + 8 * i);
      last = Math.max(last, position < 0 ? Long.MAX_VALUE : position);
    }
    if (last >= RopeTable.LIMIT || rotary < 2) {
      scalar.rope(x, positions, frequencies, inverse, out);
      return;
    }
    RopeTable table = RopeTable.of(frequencies, (int) last + 1);
    long length = x.size(1);
    int heads = (int) x.size(2);
    int depth = (int) x.size(3);
    long px = x.address();
    long po = out.address();
    long batchStep = 4 * x.stride(0);
    long tokenStep = 4 * x.stride(1);
    long headStep = 4 * x.stride(2);
    Workers.parallelRange(
        x.size(0) * length,
        Grain.rows(GRAIN, (long) heads * depth),
        (from, to) -> {
          for (long row = from; row < to; row++) {
            long angles = table.row(Host.getLong(pp + 8 * row));
            long source = px + row / length * batchStep + row % length * tokenStep;
            long target = po + 4 * row * heads * depth;
            for (int h = 0; h < heads; h++) {
              rotate(source, angles, target, rotary / 2, inverse ? -1 : 1);
              Moves.copy(source + 4L * rotary, target + 4L * rotary, 4L * (depth - rotary));
              source += headStep;
              target += 4L * depth;
            }
          }
        });
    Reference.reachabilityFence(table);
  }

  /**
   * Rotates one head. The end in scalar code, often all there is, does the same roundings. Narrower
   * vectors for it would be a mistake: the compiler profiles the vector operations by type, and a
   * second type in use makes every kernel of this JVM ten times slower.
   */
  private static void rotate(long x, long angles, long y, int half, float sign) {
    long up = 4L * half;
    int whole = half & -LENGTH;
    for (int i = 0; i < whole; i += LENGTH) {
      long o = 4L * i;
      FloatVector c = FloatVector.fromMemorySegment(SPECIES, ALL, angles + o, LE);
      FloatVector s = FloatVector.fromMemorySegment(SPECIES, ALL, angles + up + o, LE).mul(sign);
      FloatVector a = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector b = FloatVector.fromMemorySegment(SPECIES, ALL, x + up + o, LE);
      a.fma(c, b.mul(s).neg()).intoMemorySegment(ALL, y + o, LE);
      b.fma(c, a.mul(s)).intoMemorySegment(ALL, y + up + o, LE);
    }
    for (int i = whole; i < half; i++) {
      long o = 4L * i;
      float c = Host.getFloat(angles + o);
      float s = Host.getFloat(angles + up + o) * sign;
      float a = Host.getFloat(x + o);
      float b = Host.getFloat(x + up + o);
      Host.setFloat(y + o, Math.fma(a, c, -(b * s)));
      Host.setFloat(y + up + o, Math.fma(b, c, a * s));
    }
  }
}
