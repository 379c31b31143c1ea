package dev.theriac.backend.vector;

import dev.theriac.tensor.Host;
import dev.theriac.tensor.Philox;

/** Random numbers in bulk. */
final class PhiloxLoops {
  private PhiloxLoops() {}

  /** y[i] = x[i] scale where the uniform of word {@code word + i} is at least p, else 0. */
  static void dropout(
      long x, long y, int n, float p, float scale, long seed, long stream, long word) {
    int[] words = new int[4];
    for (int i = 0; i < n; i++, word++) {
      if (i == 0 || (word & 3) == 0) Philox.block(seed, stream, word >>> 2, words);
      boolean keep = Philox.uniform(words[(int) (word & 3)]) >= p;
      Host.setFloat(y + 4L * i, keep ? Host.getFloat(x + 4L * i) * scale : 0);
    }
  }
}
