package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;

import dev.theriac.backend.RopeKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import java.lang.ref.Reference;
import jdk.incubator.vector.FloatVector;

/** Rotations with cosines and sines from a table that all calls share. */
final class VectorRope implements RopeKernels {
  private static final long GRAIN = 1 << 14;

  private final RopeKernels scalar;

  VectorRope(RopeKernels scalar) {
    this.scalar = scalar;
  }

  @Override
  public void rope(
      Strided x, Strided positions, int rotary, double theta, boolean inverse, Strided out) {
    long pp = positions.address();
    long last = -1;
    for (long i = 0; i < positions.size(); i++) {
      long position = Host.getLong(pp + 8 * i);
      last = Math.max(last, position < 0 ? Long.MAX_VALUE : position);
    }
    if (last >= RopeTable.LIMIT || rotary < 2 || rotary % 2 != 0) {
      scalar.rope(x, positions, rotary, theta, inverse, out);
      return;
    }
    RopeTable table = RopeTable.of(rotary, theta, (int) last + 1);
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
        Math.max(1, GRAIN / Math.max(1, heads * depth)),
        (from, to) -> {
          for (long row = from; row < to; row++) {
            long angles = table.row(Host.getLong(pp + 8 * row));
            long source = px + row / length * batchStep + row % length * tokenStep;
            long target = po + 4 * row * heads * depth;
            for (int h = 0; h < heads; h++) {
              rotate(source, angles, target, rotary / 2, inverse ? -1 : 1);
              for (int i = rotary; i < depth; i++) {
                Host.setInt(target + 4L * i, Host.getInt(source + 4L * i));
              }
              source += headStep;
              target += 4L * depth;
            }
          }
        });
    Reference.reachabilityFence(table);
  }

  /**
   * Rotates one head. Half a head is often shorter than a vector: narrower vectors follow, then
   * scalar code; all do the same roundings.
   */
  private static void rotate(long x, long angles, long y, int half, float sign) {
    int i = 0;
    if (half >= LENGTH) i = wide(x, angles, y, half, sign);
    if (LENGTH > 8 && half - i >= 8) i = eight(x, angles, y, half, sign, i);
    if (LENGTH > 4 && half - i >= 4) i = four(x, angles, y, half, sign, i);
    long up = 4L * half;
    for (; i < half; i++) {
      long o = 4L * i;
      float c = Host.getFloat(angles + o);
      float s = Host.getFloat(angles + up + o) * sign;
      float a = Host.getFloat(x + o);
      float b = Host.getFloat(x + up + o);
      Host.setFloat(y + o, Math.fma(a, c, -(b * s)));
      Host.setFloat(y + up + o, Math.fma(b, c, a * s));
    }
  }

  private static int wide(long x, long angles, long y, int half, float sign) {
    long up = 4L * half;
    int i = 0;
    for (; i <= half - LENGTH; i += LENGTH) {
      long o = 4L * i;
      FloatVector c = FloatVector.fromMemorySegment(SPECIES, ALL, angles + o, LE);
      FloatVector s = FloatVector.fromMemorySegment(SPECIES, ALL, angles + up + o, LE).mul(sign);
      FloatVector a = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      FloatVector b = FloatVector.fromMemorySegment(SPECIES, ALL, x + up + o, LE);
      a.fma(c, b.mul(s).neg()).intoMemorySegment(ALL, y + o, LE);
      b.fma(c, a.mul(s)).intoMemorySegment(ALL, y + up + o, LE);
    }
    return i;
  }

  private static int eight(long x, long angles, long y, int half, float sign, int i) {
    long up = 4L * half;
    long o = 4L * i;
    FloatVector c = FloatVector.fromMemorySegment(FloatVector.SPECIES_256, ALL, angles + o, LE);
    FloatVector s =
        FloatVector.fromMemorySegment(FloatVector.SPECIES_256, ALL, angles + up + o, LE).mul(sign);
    FloatVector a = FloatVector.fromMemorySegment(FloatVector.SPECIES_256, ALL, x + o, LE);
    FloatVector b = FloatVector.fromMemorySegment(FloatVector.SPECIES_256, ALL, x + up + o, LE);
    a.fma(c, b.mul(s).neg()).intoMemorySegment(ALL, y + o, LE);
    b.fma(c, a.mul(s)).intoMemorySegment(ALL, y + up + o, LE);
    return i + 8;
  }

  private static int four(long x, long angles, long y, int half, float sign, int first) {
    long up = 4L * half;
    int i = first;
    for (; i <= half - 4; i += 4) {
      long o = 4L * i;
      FloatVector c = FloatVector.fromMemorySegment(FloatVector.SPECIES_128, ALL, angles + o, LE);
      FloatVector s =
          FloatVector.fromMemorySegment(FloatVector.SPECIES_128, ALL, angles + up + o, LE)
              .mul(sign);
      FloatVector a = FloatVector.fromMemorySegment(FloatVector.SPECIES_128, ALL, x + o, LE);
      FloatVector b = FloatVector.fromMemorySegment(FloatVector.SPECIES_128, ALL, x + up + o, LE);
      a.fma(c, b.mul(s).neg()).intoMemorySegment(ALL, y + o, LE);
      b.fma(c, a.mul(s)).intoMemorySegment(ALL, y + up + o, LE);
    }
    return i;
  }
}
