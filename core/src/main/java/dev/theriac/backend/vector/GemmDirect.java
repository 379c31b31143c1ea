package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.Workers;
import dev.theriac.backend.vector.GemmPack.Element;
import java.lang.foreign.Arena;
import java.lang.ref.Reference;
import java.util.function.IntConsumer;

/**
 * Products with few columns, in f32, whose left operand is read where it lies: packed, it would be
 * used for a few tiles alone. The bits are those of {@link GemmF32}: one chain of fused
 * multiply-adds for each element, in order of k.
 *
 * <p>A task is a block of c. It takes k in runs; the part of b that belongs to a run is packed,
 * unless its rows lie side by side, and stays in a cache while the rows of a pass by.
 */
final class GemmDirect implements IntConsumer {

  /** Columns from which on packed rows are used often enough. */
  static final int MOST_COLUMNS = 128;

  /** Fewest rows of a task: each reads, and may pack, its columns of b. */
  static final int FEWEST_ROWS = 32;

  /** Rows that pass by one panel before the next: what they write is still in the cache. */
  private static final int CHUNK = 16;

  /** Terms of a run: rows of a are read as far as they go, columns while b stays in L1. */
  private static final int ROW_RUN = 256;

  private static final int COLUMN_RUN = 64;

  /** Terms of a run of a sum of rows, which are read side by side. */
  private static final int SUM_RUN = 16;

  /** Multiply-adds that make a task worth handing out, and tasks at most. */
  private static final double TASK = Grain.of(Grain.PRODUCT);

  /** The same where there is a single row, and b is what takes time. */
  private static final double SUM_TASK = 100_000;

  private static final int TASKS = 48;

  /** Tasks at most where a is read by columns, of which a task takes a piece as long as can be. */
  private static final int PIECES = 4;

  private static final int TALL = AttentionWarmUp.TALL;
  private static final int VECTORS = AttentionWarmUp.WIDEST > 3 ? 4 : 3;
  private static final int PANEL = VECTORS * LENGTH;
  private static final long ZEROS = Arena.global().allocate(4L * PANEL, 64).address();

  private final GemmGroups groups;
  private final GemmF32.Shape shape;
  private final int rows;
  private final int depth;
  private final int runLength;
  private final long aRowStride;
  private final boolean packs;
  private final int rowBlock;
  private final int columnBlock;
  private final int columnBlocks;
  private final int tasks;

  private GemmDirect(GemmGroups groups, GemmF32.Shape shape) {
    this.groups = groups;
    this.shape = shape;
    rows = groups.rows(0);
    depth = groups.depth(0);
    packs = rows > 1 && (shape.bColStride() != 4 || shape.bRowStride() > 4L * PANEL);
    // A tile of a single row computes it as often as it has rows.
    aRowStride = rows == 1 ? 0 : shape.aRowStride();
    boolean byRows = shape.aColStride() == 4 && rows > 1;
    if (rows == 1) runLength = SUM_RUN;
    else runLength = byRows ? ROW_RUN : COLUMN_RUN;
    double work = (double) rows * depth * shape.columns() / (rows == 1 ? SUM_TASK : TASK);
    int wanted = (int) Math.clamp(work, 1, byRows ? TASKS : PIECES);
    int columns = shape.columns();
    int height = rows;
    if (!byRows) {
      while (columns > PANEL && ceil(shape.columns(), columns) < wanted) {
        columns = ceil(columns, 2 * PANEL) * PANEL;
      }
      wanted = Math.max(1, wanted / ceil(shape.columns(), columns));
    }
    height = Math.max(FEWEST_ROWS, ceil(ceil(rows, wanted), TALL) * TALL);
    rowBlock = height;
    columnBlock = columns;
    columnBlocks = ceil(shape.columns(), columns);
    tasks = ceil(rows, height) * columnBlocks;
  }

  private static int ceil(int size, int step) {
    return (size + step - 1) / step;
  }

  /** Computes the product and returns true, or does nothing. */
  static boolean run(GemmGroups groups, GemmF32.Shape shape) {
    if (!fits(groups, shape) || !AttentionWarmUp.ready(VECTORS)) return false;
    GemmDirect call = new GemmDirect(groups, shape);
    Workers.parallelFor(call.tasks, call);
    Reference.reachabilityFence(groups);
    return true;
  }

  private static boolean fits(GemmGroups groups, GemmF32.Shape shape) {
    int columns = shape.columns();
    if (groups.count() != 1
        || columns == 0
        || columns % LENGTH != 0
        || shape.bType() != Element.F32
        || shape.pair()
        || shape.bGroup() != 0
        || groups.depth(0) < LENGTH
        || groups.aRowIndex(0) != 0
        || groups.aColumnIndex(0) != 0
        || groups.bIndex(0) != 0) {
      return false;
    }
    // Sums of rows are products of one row.
    if (groups.rows(0) == 1) return shape.bColStride() == 4;
    boolean plain = shape.aColStride() == 4 || shape.aRowStride() == 4;
    return plain && columns <= MOST_COLUMNS && groups.rows(0) >= 2 * FEWEST_ROWS;
  }

  @Override
  public void accept(int task) {
    int first = task / columnBlocks * rowBlock;
    int end = Math.min(rows, first + rowBlock);
    int left = task % columnBlocks * columnBlock;
    int right = Math.min(shape.columns(), left + columnBlock);
    GemmScratch scratch = GemmScratch.acquire();
    try {
      for (int k = 0; k < depth; k += runLength) {
        run(scratch, first, end, left, right, k, Math.min(runLength, depth - k));
      }
    } finally {
      scratch.release();
      scratch.fence();
    }
  }

  /** Adds some terms to a block of c. */
  private void run(GemmScratch scratch, int first, int end, int left, int right, int k, int terms) {
    if (packs) pack(scratch, left, right, k, terms);
    for (int row = first; row < end; row += CHUNK) {
      int stop = Math.min(end, row + CHUNK);
      for (int j = left; j < right; j += PANEL) {
        int vectors = Math.min(VECTORS, (right - j) / LENGTH);
        chunk(scratch, row, stop, j, vectors, panel(scratch, left, j, k, terms), k, terms);
      }
      if (k + terms == depth) groups.finish(0, row, stop - row, left, right - left);
    }
  }

  private void pack(GemmScratch scratch, int left, int right, int k, int terms) {
    for (int j = left; j < right; j += PANEL) {
      int vectors = Math.min(VECTORS, (right - j) / LENGTH);
      GemmPack.b(
          Element.F32,
          groups.b(0) + k * shape.bRowStride() + j * shape.bColStride(),
          0,
          shape.bRowStride(),
          shape.bColStride(),
          terms,
          vectors * LENGTH,
          vectors,
          panel(scratch, left, j, k, terms),
          scratch);
    }
  }

  /** Where the tiles find columns from j on of a run of b. */
  private long panel(GemmScratch scratch, int left, int j, int k, int terms) {
    if (packs) return scratch.b + 4L * (j - left) * terms;
    return groups.b(0) + k * shape.bRowStride() + 4L * j;
  }

  private void chunk(
      GemmScratch scratch, int from, int end, int j, int vectors, long b, int k, int terms) {
    boolean begins = k == 0 && !shape.accumulate();
    long bStep = packs ? vectors * BYTES : shape.bRowStride();
    long start = groups.bias(0) == 0 ? ZEROS : groups.bias(0) + 4L * j;
    long a = groups.a(0) + k * shape.aColStride();
    long cRow = shape.cRowStride();
    long c = groups.c(0) + 4L * j;
    int row = from;
    for (; row <= end - TALL; row += TALL) {
      long at = c + row * cRow;
      AttentionWarmUp.tile(
          vectors,
          a + row * aRowStride,
          aRowStride,
          shape.aColStride(),
          b,
          bStep,
          terms,
          begins ? start : at,
          begins ? 0 : cRow,
          at,
          cRow);
    }
    if (row == end) return;
    // Fewer rows than a tile has: together with those before them, by way of a buffer.
    int width = vectors * LENGTH;
    int top = end - TALL;
    long wide = vectors * BYTES;
    for (int r = row; r < end; r++) {
      GemmPack.copy(begins ? start : c + r * cRow, scratch.tile + (r - top) * wide, width);
    }
    AttentionWarmUp.tile(
        vectors,
        a + top * aRowStride,
        aRowStride,
        shape.aColStride(),
        b,
        bStep,
        terms,
        scratch.tile,
        wide,
        scratch.tile,
        wide);
    for (int r = row; r < end; r++) {
      GemmPack.copy(scratch.tile + (r - top) * wide, c + r * cRow, width);
    }
  }
}
