package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;

import dev.theriac.tensor.Host;
import jdk.incubator.vector.FloatVector;

/** What attention does besides products: rows in and out of scratch, gradients of the softmax. */
final class AttentionLoops {
  private AttentionLoops() {}

  /** y = scale x for any n; the end in scalar code, which rounds a product alike. */
  static void scaleRow(long x, long y, int n, float scale) {
    int whole = n & -LENGTH;
    for (int i = 0; i < whole; i += LENGTH) {
      long o = 4L * i;
      FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + o, LE);
      v.mul(scale).intoMemorySegment(ALL, y + o, LE);
    }
    for (int i = whole; i < n; i++) Host.setFloat(y + 4L * i, scale * Host.getFloat(x + 4L * i));
  }

  /** Copies rows times scale into rows of whole vectors, the rest of each zero. */
  static void rows(long from, long fromRow, int rows, int n, float scale, long to, int padded) {
    for (int r = 0; r < rows; r++) {
      scaleRow(from + r * fromRow, to + 4L * r * padded, n, scale);
      for (int i = n; i < padded; i++) Host.setInt(to + 4L * (r * padded + i), 0);
    }
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
