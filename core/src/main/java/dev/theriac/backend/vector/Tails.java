package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.tensor.Host;

/**
 * The last elements of a row, fewer than a vector. They are copied to whole vectors of scratch and
 * go through the same loop as the others, so that a value does not depend on where it stands.
 */
final class Tails {
  private Tails() {}

  /** Scratch of {@code vectors} vectors for this thread. */
  static long vectors(int vectors) {
    return Workspace.get(Workspace.TAIL, vectors * BYTES);
  }

  /** Copies {@code n} floats, fewer than a vector. */
  static void copy(long from, long to, int n) {
    for (int i = 0; i < n; i++) Host.setInt(to + 4L * i, Host.getInt(from + 4L * i));
  }

  /** Copies {@code n} floats and fills the rest of the vector with {@code padding}. */
  static void pad(long from, long to, int n, float padding) {
    copy(from, to, n);
    for (int i = n; i < LENGTH; i++) Host.setFloat(to + 4L * i, padding);
  }

  /**
   * Sum of the floats of one stored vector, by halves. (Reducing lanes in a register leaves the
   * order to the compiler, and interpreted and compiled code differ.)
   */
  static float sum(long at) {
    return quarter(at) + quarter(at + 8) + (quarter(at + 4) + quarter(at + 12));
  }

  private static float quarter(long at) {
    float s = Host.getFloat(at);
    if (LENGTH == 8) return s + Host.getFloat(at + 16);
    if (LENGTH < 16) return s;
    return s + Host.getFloat(at + 32) + (Host.getFloat(at + 16) + Host.getFloat(at + 48));
  }
}
