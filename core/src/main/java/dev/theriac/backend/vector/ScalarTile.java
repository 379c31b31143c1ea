package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.F32;

/** What stands in for the register tiles until they are compiled. */
final class ScalarTile {

  private ScalarTile() {}

  /**
   * What {@code tileRxV} of {@link AttentionTiles} and {@link GemmTiles} computes, bit for bit,
   * without vectors. Strides and steps from one k to the next are in bytes.
   */
  static void compute(
      int rows,
      int columns,
      long a,
      long aRow,
      long aStep,
      long b,
      long bStep,
      int depth,
      long init,
      long initRow,
      long c,
      long cRow) {
    for (int r = 0; r < rows; r++) {
      long to = c + r * cRow;
      long from = init + r * initRow;
      for (int j = 0; j < columns && from != to; j++) {
        ALL.set(F32, to + 4L * j, ALL.get(F32, from + 4L * j));
      }
      for (int k = 0; k < depth; k++) {
        float x = ALL.get(F32, a + r * aRow + k * aStep);
        addScaled(x, b + k * bStep, to, columns);
      }
    }
  }

  private static void addScaled(float x, long from, long to, int count) {
    for (int j = 0; j < count; j++) {
      float sum = ALL.get(F32, to + 4L * j);
      ALL.set(F32, to + 4L * j, Math.fma(x, ALL.get(F32, from + 4L * j), sum));
    }
  }
}
