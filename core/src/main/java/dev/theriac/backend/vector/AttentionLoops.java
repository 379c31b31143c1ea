package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.F32;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;
import static jdk.incubator.vector.VectorOperators.LT;

import dev.theriac.tensor.Host;
import java.lang.foreign.Arena;
import jdk.incubator.vector.FloatVector;

/** What attention does besides products: rows in and out of scratch, gradients of the softmax. */
final class AttentionLoops {
  private AttentionLoops() {}

  /** A vector of zeros followed by one of -infinity. */
  private static final long HIDDEN = hidden();

  private static long hidden() {
    long at = Arena.global().allocate(2 * BYTES, 64).address();
    for (int i = 0; i < LENGTH; i++) {
      Host.setFloat(at + 4L * i, 0);
      Host.setFloat(at + BYTES + 4L * i, Float.NEGATIVE_INFINITY);
    }
    return at;
  }

  /**
   * y[r][:n] = x[r][:n] scales[r], where {@code scaleStep} of 0 takes one scale for all. The loops
   * run down the rows, which are short: two vectors at a time, and the end in scalar code, which
   * rounds a product alike.
   */
  static void scaleRows(
      long x, long xRow, long y, long yRow, int rows, int n, long scales, long scaleStep) {
    int i = 0;
    for (; i <= n - 2 * LENGTH; i += 2 * LENGTH) {
      scaleTwo(x + 4L * i, xRow, y + 4L * i, yRow, rows, scales, scaleStep);
    }
    for (; i <= n - LENGTH; i += LENGTH) {
      scaleOne(x + 4L * i, xRow, y + 4L * i, yRow, rows, scales, scaleStep);
    }
    for (int r = 0; r < rows && i < n; r++) {
      float scale = Host.getFloat(scales + r * scaleStep);
      for (int j = i; j < n; j++) {
        Host.setFloat(y + r * yRow + 4L * j, Host.getFloat(x + r * xRow + 4L * j) * scale);
      }
    }
  }

  private static void scaleTwo(
      long x, long xRow, long y, long yRow, int rows, long scales, long scaleStep) {
    for (int r = 0; r < rows; r++) {
      FloatVector s = FloatVector.broadcast(SPECIES, ALL.get(F32, scales));
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x, LE);
      FloatVector w = FloatVector.fromMemorySegment(SPECIES, ALL, x + BYTES, LE);
      v.mul(s).intoMemorySegment(ALL, y, LE);
      w.mul(s).intoMemorySegment(ALL, y + BYTES, LE);
      x += xRow;
      y += yRow;
      scales += scaleStep;
    }
  }

  private static void scaleOne(
      long x, long xRow, long y, long yRow, int rows, long scales, long scaleStep) {
    for (int r = 0; r < rows; r++) {
      FloatVector s = FloatVector.broadcast(SPECIES, ALL.get(F32, scales));
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x, LE);
      v.mul(s).intoMemorySegment(ALL, y, LE);
      x += xRow;
      y += yRow;
      scales += scaleStep;
    }
  }

  /** Rows times one scale into rows of whole vectors, the rest of each zero. */
  static void padRows(long x, long xRow, int rows, int n, long scale, long y, int padded) {
    scaleRows(x, xRow, y, 4L * padded, rows, n, scale, 0);
    for (int r = 0; r < rows && n < padded; r++) {
      for (int i = n; i < padded; i++) Host.setInt(y + 4L * (r * padded + i), 0);
    }
  }

  /** Sets the floats from {@code seen} to the next whole vector to -infinity. */
  static void hide(long row, int seen) {
    int first = seen & -LENGTH;
    if (first == seen) return;
    long at = row + 4L * first;
    FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, at, LE);
    FloatVector h =
        FloatVector.fromMemorySegment(SPECIES, ALL, HIDDEN + BYTES - 4L * (seen - first), LE);
    v.blend(h, h.compare(LT, 0f)).intoMemorySegment(ALL, at, LE);
  }

  /** d = p (d - delta), the gradient of the scores from that of the probabilities. */
  static void scoreGradient(long p, long d, int n, float delta) {
    for (int i = 0; i < n; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, d + o, LE).sub(delta);
      v.mul(FloatVector.fromMemorySegment(SPECIES, ALL, p + o, LE))
          .intoMemorySegment(ALL, d + o, LE);
    }
  }
}
