package dev.theriac.io;

import java.net.URISyntaxException;
import java.nio.file.Path;

/** Files that make_reference.py wrote, and the values it put there. */
final class Fixtures {
  private Fixtures() {}

  static Path file(String name) {
    try {
      return Path.of(Fixtures.class.getResource(name).toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  static double value(long i) {
    return 7 * i % 23 - 11;
  }

  static float[] floats(int n) {
    float[] out = new float[n];
    for (int i = 0; i < n; i++) out[i] = (float) (0.25 * value(i));
    return out;
  }

  static long[] longs(int n, int add) {
    long[] out = new long[n];
    for (int i = 0; i < n; i++) out[i] = (long) value(i) + add;
    return out;
  }

  static long[] mask(int n) {
    long[] out = new long[n];
    for (int i = 0; i < n; i++) out[i] = i % 3 == 0 ? 1 : 0;
    return out;
  }
}
