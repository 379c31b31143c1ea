package dev.theriac.backend.scalar;

import dev.theriac.backend.RopeFrequencies;
import dev.theriac.backend.RopeKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import java.lang.foreign.MemorySegment;

/** Angles, sines and cosines in float64, once for all heads of a position. */
final class ScalarRope implements RopeKernels {
  private static final long GRAIN = 1 << 12;

  @Override
  public void rope(
      Strided x, Strided positions, RopeFrequencies frequencies, boolean inverse, Strided out) {
    long length = x.size(1);
    long heads = x.size(2);
    long depth = x.size(3);
    int rotary = frequencies.rotary();
    int half = rotary / 2;
    double scale = frequencies.scale();
    Workers.parallelRange(
        x.size(0) * length,
        Math.max(1, GRAIN / Math.max(1, heads * depth)),
        (from, to) -> {
          double[] cos = new double[half];
          double[] sin = new double[half];
          for (long row = from; row < to; row++) {
            long b = row / length;
            long t = row % length;
            long position = Host.getLong(positions.address() + 8 * row);
            for (int i = 0; i < half; i++) {
              double angle = position * frequencies.inverse(i);
              cos[i] = scale * StrictMath.cos(angle);
              sin[i] = (inverse ? -scale : scale) * StrictMath.sin(angle);
            }
            for (long h = 0; h < heads; h++) {
              long px = x.address() + 4 * (b * x.stride(0) + t * x.stride(1) + h * x.stride(2));
              long po = out.address() + 4 * (row * heads + h) * depth;
              for (long i = 0; i < half; i++) {
                double lower = Host.getFloat(px + 4 * i);
                double upper = Host.getFloat(px + 4 * (i + half));
                double c = cos[(int) i];
                double s = sin[(int) i];
                Host.setFloat(po + 4 * i, (float) (lower * c - upper * s));
                Host.setFloat(po + 4 * (i + half), (float) (upper * c + lower * s));
              }
              long rest = 4L * rotary;
              MemorySegment.copy(Host.ALL, px + rest, Host.ALL, po + rest, 4 * depth - rest);
            }
          }
        });
  }
}
