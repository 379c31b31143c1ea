package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.vector.GemmF32.Shape;
import dev.theriac.backend.vector.GemmPack.Element;
import dev.theriac.tensor.QuantisedFormat;

/**
 * The inside of a block of {@link GemmF32}: how columns of b are cut into panels and packed, and
 * rows of c computed from them tile by tile. A panel is as many columns as a tile has: three
 * vectors, or fewer at the end of a block.
 */
final class GemmPanels {

  /** Vectors of the widest panel. */
  static final int WIDEST = 3;

  private static final int TALL = JitDirectives.LARGE_KERNELS ? 8 : 4;

  private final Shape shape;

  GemmPanels(Shape shape) {
    this.shape = shape;
  }

  /** Packs columns of a matrix for one run of k, panel after panel. */
  void pack(
      GemmScratch scratch, long b, long index, int k, int depth, int column, int columns, long to) {
    if (shape.bGroup() != 0) {
      packGroups(b, k, depth, column, columns, to);
      return;
    }
    long from = b + column * shape.bColStride() + (index == 0 ? k * shape.bRowStride() : 0);
    long rows = index == 0 ? 0 : index + 8L * k;
    int j = 0;
    if (shape.bType() == Element.F32 && shape.bColStride() == 4 && index == 0) {
      int whole = wholePanels(columns);
      GemmPack.panels(from, shape.bRowStride(), depth, whole, WIDEST, to);
      j = whole * WIDEST * LENGTH;
      to += 4L * depth * j;
    }
    while (j < columns) {
      int vectors = panelVectors(columns - j);
      int width = Math.min(columns - j, vectors * LENGTH);
      GemmPack.b(
          shape.bType(),
          from + j * shape.bColStride(),
          rows,
          shape.bRowStride(),
          shape.bColStride(),
          depth,
          width,
          vectors,
          to,
          scratch);
      to += depth * vectors * BYTES;
      j += width;
    }
  }

  /**
   * The same of a packed b, whose columns are filled up to whole vectors: four vectors of a group
   * at a time, to wherever in the panels they belong, so that it is read in one stream.
   */
  private void packGroups(long b, int k, int depth, int column, int columns, long to) {
    int group = QuantisedFormat.GROUP;
    long row = shape.bRowStride();
    int all = (columns + LENGTH - 1) / LENGTH;
    int whole = wholePanels(columns);
    for (int v = 0; v < all; ) {
      int at = column + v * LENGTH;
      long from = b + at / group * shape.bGroup() + k * row + at % group * shape.bColStride();
      long t = place(to, v, all, whole, depth);
      long step = step(v, all, whole);
      if (v + 4 > all || at % group + 4 * LENGTH > group) {
        GemmPack.line(shape.bType(), from, row, depth, t, step);
        v++;
        continue;
      }
      GemmPack.lines(
          shape.bType(),
          from,
          row,
          depth,
          t,
          step,
          place(to, v + 1, all, whole, depth),
          step(v + 1, all, whole),
          place(to, v + 2, all, whole, depth),
          step(v + 2, all, whole),
          place(to, v + 3, all, whole, depth),
          step(v + 3, all, whole));
      v += 4;
    }
  }

  /** Address of vector v of row 0, among {@code all} that are cut into panels. */
  private static long place(long to, int v, int all, int whole, int depth) {
    if (v < whole * WIDEST) {
      return to + (v / WIDEST * WIDEST * depth + v % WIDEST) * BYTES;
    }
    int done = whole * WIDEST;
    int wide = narrow(all - done);
    int rest = v - done;
    return to + ((done + rest / wide * wide) * depth + rest % wide) * BYTES;
  }

  /** Bytes from a row to the next in the panel of vector v. */
  private static long step(int v, int all, int whole) {
    int done = whole * WIDEST;
    return (v < done ? WIDEST : narrow(all - done)) * BYTES;
  }

  /** Vectors of the panels at the end, fewer than three each. */
  private static int narrow(int left) {
    return left == 4 ? 2 : left;
  }

  /**
   * Some rows of c, tile by tile: those of a row of tiles share their rows of a in the L1 cache.
   */
  void strip(
      GemmScratch scratch,
      long a,
      long b,
      int rows,
      int columns,
      int depth,
      int k,
      long bias,
      int column,
      long c) {
    boolean begins = k == 0 && !shape.accumulate();
    long initStride = begins ? 0 : shape.cRowStride();
    for (int i = 0; i < rows; ) {
      int left = rows - i;
      int tall = left > 4 ? TALL : 4;
      int height = Math.min(tall, left);
      long from = a + 4L * (i / GemmTiles.GROUP * GemmTiles.GROUP * depth + i % GemmTiles.GROUP);
      long to = c + i * shape.cRowStride();
      long panel = b;
      for (int j = 0; j < columns; ) {
        int vectors = panelVectors(columns - j);
        int width = Math.min(columns - j, vectors * LENGTH);
        long target = to + 4L * j;
        long init = target;
        if (begins) init = bias == 0 ? scratch.zeros : bias + 4L * (column + j);
        int high = height == 1 && vectors == WIDEST ? 1 : tall;
        if (width == vectors * LENGTH && height == high) {
          tile(high, vectors, from, panel, depth, init, initStride, target, shape.cRowStride());
        } else {
          overhang(
              scratch, high, vectors, from, panel, depth, init, initStride, target, height, width);
        }
        panel += depth * vectors * BYTES;
        j += width;
      }
      i += height;
    }
  }

  /** A tile of which only {@code rows} by {@code columns} lie in c: by way of a buffer. */
  private void overhang(
      GemmScratch scratch,
      int tall,
      int vectors,
      long a,
      long b,
      int depth,
      long init,
      long initStride,
      long c,
      int rows,
      int columns) {
    long stride = WIDEST * BYTES;
    for (int r = 0; r < rows; r++) {
      GemmPack.copy(init + r * initStride, scratch.tile + r * stride, columns);
    }
    tile(tall, vectors, a, b, depth, scratch.tile, stride, scratch.tile, stride);
    for (int r = 0; r < rows; r++) {
      GemmPack.copy(scratch.tile + r * stride, c + r * shape.cRowStride(), columns);
    }
  }

  private static void tile(
      int tall,
      int vectors,
      long a,
      long b,
      int depth,
      long init,
      long initStride,
      long c,
      long cStride) {
    if (GemmWarmUp.ready()) {
      vectorTile(tall, vectors, a, b, depth, init, initStride, c, cStride);
    } else {
      ScalarTile.compute(
          tall,
          vectors * LENGTH,
          a,
          4,
          GemmTiles.A_STEP,
          b,
          vectors * BYTES,
          depth,
          init,
          initStride,
          c,
          cStride);
    }
  }

  static void vectorTile(
      int tall,
      int vectors,
      long a,
      long b,
      int depth,
      long init,
      long initStride,
      long c,
      long cStride) {
    long step = vectors * BYTES;
    switch (tall * 4 + vectors) {
      case 35 -> GemmTiles.tile8x3(a, b, step, depth, init, initStride, c, cStride);
      case 34 -> GemmTiles.tile8x2(a, b, step, depth, init, initStride, c, cStride);
      case 33 -> GemmTiles.tile8x1(a, b, step, depth, init, initStride, c, cStride);
      case 19 -> GemmTiles.tile4x3(a, b, step, depth, init, initStride, c, cStride);
      case 18 -> GemmTiles.tile4x2(a, b, step, depth, init, initStride, c, cStride);
      case 17 -> GemmTiles.tile4x1(a, b, step, depth, init, initStride, c, cStride);
      case 7 -> GemmTiles.tile1x3(a, b, step, depth, init, initStride, c, cStride);
      default -> throw new AssertionError(tall + "x" + vectors);
    }
  }

  /** Vectors in the next panel: three, but four are left as two and two. */
  private static int panelVectors(int columns) {
    int vectors = (columns + LENGTH - 1) / LENGTH;
    return vectors == 4 ? 2 : Math.min(vectors, WIDEST);
  }

  /** Panels of three vectors, as {@link #panelVectors} cuts them, that are all of b. */
  private static int wholePanels(int columns) {
    int panel = WIDEST * LENGTH;
    int whole = columns / panel;
    return whole > 0 && panelVectors(columns - (whole - 1) * panel) < WIDEST ? whole - 1 : whole;
  }
}
